"""Headers of every response, which keep a browser from guessing and telling."""

from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import URL, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""For whatever does not say otherwise; a page has a policy of its own."""


class SafeHeaders:
    """Middleware: adds them to each response and to each refused handshake."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on, and add what a response does not have."""

        async def send_safely(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
                if location := headers.get("location"):
                    headers["location"] = without_origin(location, scope)
            await send(message)

        await self.app(scope, receive, send_safely)


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


class SafeApp(Starlette):
    """A Starlette app whose own errors have these headers, too.

    It answers at the path of PUBLIC_URL (`root_path`) whether a proxy strips
    that or not, and nobody does at the app's own address.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.router.default = self.retry

    async def retry(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route what no route matched again, without its `root_path`.

        uvicorn puts that before each path, also where it was already.
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
        """Put them around all other middleware."""
        return SafeHeaders(super().build_middleware_stack())
