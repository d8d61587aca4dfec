"""Which browser somebody comes from: a cookie that no script can read."""

from secrets import token_urlsafe

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .doors import Doors

COOKIE = "party-chat-browser"


def browser_of(connection: HTTPConnection) -> str:
    """What its browser is called here; "" for one without a cookie."""
    return connection.cookies.get(COOKIE, "")


class Browsers:
    """Middleware: gives each browser a cookie, with the first page it gets.

    It lasts until the browser is closed, and means nothing but that two
    requests come from one browser.
    """

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on, and add the cookie to a page for who has none."""

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("Set-Cookie", self.cookie(scope))
            await send(message)

        new = scope["type"] == "http" and not browser_of(HTTPConnection(scope))
        await self.app(scope, receive, send_with_cookie if new else send)

    def cookie(self, scope: Scope) -> str:
        """A new cookie. Links that lead here from elsewhere bring it, too."""
        safe = "; Secure" if self.doors.encrypted(scope) else ""
        name = f"{COOKIE}={token_urlsafe()}; Path={self.doors.root_path}/"
        return f"{name}; HttpOnly; SameSite=Lax{safe}"
