"""Identify browsers by a signed cookie, which no script can read."""

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

BROWSER_COOKIE = "party-chat-browser"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_COOKIES = 10
BROWSER_COOKIES = re.compile(rf"(?:^|;) *{BROWSER_COOKIE}=([^; ]*)")


def get_browser_id(connection: HTTPConnection) -> Identity:
    """Return the id in the browser's cookie, and whether we signed it.

    Of several cookies, it takes the one that we signed: servers at shorter
    paths of this host may have set others.
    """
    identity = Identity()
    header = connection.headers.get("cookie", "")
    for value in BROWSER_COOKIES.findall(header)[:MAX_COOKIES]:
        browser, _, signature = value.partition(".")
        if hmac.compare_digest(signature.encode(), sign(browser).encode()):
            return Identity(browser, is_proven=True)
        identity = Identity(browser)
    return identity


def sign(text: str) -> str:
    """Return the signature of a text, which takes the secret to make."""
    digest = hmac.digest(_secret(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


@cache
def _secret() -> bytes:
    return (settings().cookie_secret or token_urlsafe()).encode()


class BrowserIdMiddleware:
    """Set the cookie of a browser that has none, with its first page.

    It lasts until the browser is closed. An id that another server signed is
    kept and signed again, as rooms may know the browser by it already.
    """

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Call the app, and add the cookie to a page if it is missing."""

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    identity = get_browser_id(HTTPConnection(scope))
                    if not identity.is_proven:
                        cookie = self.cookie(scope, identity.browser)
                        headers.append("Set-Cookie", cookie)
            await send(message)

        is_http = scope["type"] == "http"
        await self.app(scope, receive, send_with_cookie if is_http else send)

    def cookie(self, scope: Scope, browser: str) -> str:
        """Return a new cookie, which links from other sites send, too."""
        secure = "; Secure" if self.policy.is_https(scope) else ""
        browser = browser if TOKEN.fullmatch(browser) else token_urlsafe()
        name = f"{BROWSER_COOKIE}={browser}.{sign(browser)}"
        path = f"{self.policy.root_path}/"
        return f"{name}; Path={path}; HttpOnly; SameSite=Lax{secure}"
