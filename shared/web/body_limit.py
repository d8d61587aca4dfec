"""How large the body of a request may be."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Middleware: a request with too large a body is refused, in words.

    Starlette's own refuses it too, but does not say what is allowed.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on what is small enough, as far as one knows by now."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        why = f"A request may have {self.most:,} bytes at most."
        size, complete = 0, False

        async def receive_some() -> Message:
            nonlocal size, complete
            message = await receive()
            if message["type"] == "http.disconnect" and not complete:
                # Its sender has gone, or cannot write chunks.
                raise HTTPException(400, "The request is incomplete.")
            complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > self.most:
                raise HTTPException(413, why)
            return message

        if int(Headers(scope=scope).get("content-length", 0)) > self.most:
            refusal = JSONResponse({"error": why}, 413)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive_some, send)
