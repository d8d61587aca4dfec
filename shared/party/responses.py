"""Responses of a room's on_request, and of the exceptions it raises."""

import asyncio
import logging
from inspect import isawaitable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import MessageRejected
from .server import Server

RETRY_LATER = {"Retry-After": "5"}
"""The headers of a temporary refusal."""

SHUTTING_DOWN = 503, "The server is about to restart."
"""The response to connections and requests during shutdown."""

logger = logging.getLogger("party")


async def call_on_request(server: Server, request: Request) -> Response:
    """Return a room's response; the hook goes on if the client disconnects."""
    future: asyncio.Future[Response] = asyncio.Future()

    async def hook() -> None:
        try:
            response = server.on_request(request)
            if isawaitable(response):
                response = await response
            if not isinstance(response, Response):
                raise TypeError("on_request must return a Response")
            future.set_result(response)
        except asyncio.CancelledError:
            future.set_result(error_response(HTTPException(*SHUTTING_DOWN)))
            raise
        except Exception as error:
            future.set_result(error_response(error, str(server.room)))

    server.room._run_hook(hook)
    return await asyncio.shield(future)


def error_response(error: Exception, where: str = "") -> Response:
    """Return an error as a JSON response; log an unexpected one."""
    if isinstance(error, HTTPException):
        return JSONResponse(
            {"error": error.detail}, error.status_code, error.headers
        )
    if isinstance(error, MessageRejected):
        return JSONResponse({"error": str(error)}, 422)
    logger.error("%s: on_request failed", where, exc_info=error)
    return JSONResponse({"error": "Something went wrong in here."}, 500)
