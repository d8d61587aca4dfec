"""A limit on the bodies of requests."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """Refuse a request with too large a body, with the limit in the error.

    Starlette's RequestBodyLimitMiddleware does not name the limit.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Refuse by Content-Length, or while the body is being read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        error = f"A request may have {self.max_bytes:,} bytes at most."
        size, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal size, complete
            message = await receive()
            if message["type"] == "http.disconnect" and not complete:
                # The client has gone, or its chunks are malformed.
                raise HTTPException(400, "The request is incomplete.")
            complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > self.max_bytes:
                raise HTTPException(413, error)
            return message

        if int(Headers(scope=scope).get("content-length", 0)) > self.max_bytes:
            refusal = JSONResponse({"error": error}, 413)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive_limited, send)
