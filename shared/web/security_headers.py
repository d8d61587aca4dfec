"""Security headers of every response, and the policy of a page."""

import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import URL, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Added where a response does not set them, as a page does."""


def content_security_policy(scripts: Iterable[str], *hosts: str) -> str:
    """Return a policy that allows a page these inline scripts and hosts.

    Everything else is limited to the page's own files.
    """
    # The syntax has no IPv6 addresses; 'self' has to do.
    named = [host for host in hosts if host and "[" not in host]
    schemes = ("ws", "wss", "http", "https")
    sources = [f"{scheme}://{host}" for host in named for scheme in schemes]
    digests = [hashlib.sha256(each.encode()).digest() for each in scripts]
    hashes = [f"'sha256-{b64encode(each).decode()}'" for each in digests]
    directives = [
        "default-src 'none'",
        f"script-src 'self' {' '.join(hashes)}",
        "style-src 'self'",
        "img-src 'self' data:",
        # In some browsers 'self' does not include sockets.
        f"connect-src 'self' {' '.join(sources)}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(directives)


class SecurityHeadersMiddleware:
    """Add DEFAULT_HEADERS to each response and each refused handshake."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Call the app, and add the headers to its response."""

        # Not a coroutine function: each frame of a socket passes through it.
        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"].endswith("http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in DEFAULT_HEADERS.items():
                    headers.setdefault(name, value)
                if location := headers.get("location"):
                    headers["location"] = without_origin(location, scope)
            return send(message)

        await self.app(scope, receive, send_with_headers)


def without_origin(location: str, scope: Scope) -> str:
    """Return a redirect's target; within the app, its path and query.

    Starlette adds the scheme and the Host that the server saw. A proxy may
    have changed both, and the browser knows the right ones.
    """
    url, own = URL(location), URL(scope=scope)
    if (url.scheme, url.netloc) != (own.scheme, own.netloc):
        return location
    path = "/" + url.path.lstrip("/")  # `//` would name another host
    return str(url.replace(scheme="", netloc="", path=path))


class WebApp(Starlette):
    """A Starlette app with security headers, at the path of PUBLIC_URL.

    It answers under that path (`root_path`) whether or not a proxy strips it.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.router.default = self.retry

    async def retry(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a path that no route matched again, without `root_path`.

        uvicorn puts `root_path` before each path, also where it already was.
        """
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        again = root and scope.setdefault("party.retry", True)
        if again and f"{path}/".startswith(f"{root}/"):
            scope["party.retry"] = False
            scope["path"] = path
            scope["raw_path"] = scope["raw_path"][len(root) :]
            await self.router(scope, receive, send)
        else:
            await self.router.not_found(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the headers around all other middleware."""
        return SecurityHeadersMiddleware(super().build_middleware_stack())
