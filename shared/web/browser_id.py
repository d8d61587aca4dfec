"""A signed cookie of a browser, which no script can read."""

import hmac
import re
from base64 import urlsafe_b64encode
from functools import cache
from secrets import token_urlsafe

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..party.message_rate_limiter import Identity
from ..settings import settings
from .origin_policy import OriginPolicy

COOKIE = "party-chat-browser"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_VALUES = 10
VALUES = re.compile(rf"(?:^|;) *{COOKIE}=([^; ]*)")


def identify(connection: HTTPConnection) -> Identity:
    """Return the browser that the cookie names, and whether we signed that.

    Of several, the one that we signed: the others come from servers at
    shorter paths of this host.
    """
    identity = Identity()
    header = connection.headers.get("cookie", "")
    for value in VALUES.findall(header)[:MAX_VALUES]:
        browser, _, signature = value.partition(".")
        if hmac.compare_digest(signature.encode(), sign(browser).encode()):
            return Identity(browser, is_proven=True)
        identity = Identity(browser)
    return identity


def sign(text: str) -> str:
    """Return a signature that nobody else can make."""
    digest = hmac.digest(_secret(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


@cache
def _secret() -> bytes:
    return (settings().cookie_secret or token_urlsafe()).encode()


class Browsers:
    """Middleware: gives each browser a cookie, with the first page it gets.

    It lasts until the browser is closed, and means nothing but that two
    requests come from one browser. One that another server has signed is
    signed anew, as it may name the browser in a room already.
    """

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on, and add the cookie to a page for who has none."""

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    identity = identify(HTTPConnection(scope))
                    if not identity.is_proven:
                        cookie = self.cookie(scope, identity.browser)
                        headers.append("Set-Cookie", cookie)
            await send(message)

        is_http = scope["type"] == "http"
        await self.app(scope, receive, send_with_cookie if is_http else send)

    def cookie(self, scope: Scope, browser: str) -> str:
        """A new cookie. Links that lead here from elsewhere bring it, too."""
        safe = "; Secure" if self.policy.is_https(scope) else ""
        browser = browser if TOKEN.fullmatch(browser) else token_urlsafe()
        name = f"{COOKIE}={browser}.{sign(browser)}"
        path = f"{self.policy.root_path}/"
        return f"{name}; Path={path}; HttpOnly; SameSite=Lax{safe}"
