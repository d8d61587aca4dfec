"""Headers of every response, which keep a browser from guessing and telling."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
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
            await send(message)

        await self.app(scope, receive, send_safely)


class SafeApp(Starlette):
    """A Starlette app whose own errors have these headers, too."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put them around all other middleware."""
        return SafeHeaders(super().build_middleware_stack())
