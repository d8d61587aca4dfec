"""What a room answers over HTTP; its errors are answers too."""

import asyncio
import logging
from inspect import isawaitable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import Refused
from .rooms import Server

LATER = {"Retry-After": "5"}
"""What is added for those who may try again."""

ENDING = 503, "The server is about to restart."
"""With what newcomers and requests are turned away on shutdown."""

logger = logging.getLogger("party")


async def answer(server: Server, request: Request) -> Response:
    """What a room answers; it goes on with that when the asker has gone."""
    answered: asyncio.Future[Response] = asyncio.Future()

    async def hook() -> None:
        try:
            response = server.on_request(request)
            if isawaitable(response):
                response = await response
            if not isinstance(response, Response):
                raise TypeError("on_request must return a Response")
            answered.set_result(response)
        except asyncio.CancelledError:
            answered.set_result(error_response(HTTPException(*ENDING)))
            raise
        except Exception as error:
            answered.set_result(error_response(error, str(server.room)))

    server.room.run(hook)
    return await asyncio.shield(answered)


def error_response(error: Exception, where: str = "") -> Response:
    """An error as a response, in words for a person; a fault is logged."""
    if isinstance(error, HTTPException):
        return JSONResponse(
            {"error": error.detail}, error.status_code, error.headers
        )
    if isinstance(error, Refused):
        return JSONResponse({"error": str(error)}, 422)
    logger.error("%s: on_request failed", where, exc_info=error)
    return JSONResponse({"error": "Something went wrong in here."}, 500)
