"""Serve older log entries: `GET /parties/PARTY/ROOM?before=SEQ`."""

import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .encoding import EncodedJSON, Frame, encode, encode_newest
from .message_rate_limiter import SenderRegistry
from .room import Room
from .storage.log import Log

PAGE_SIZE = 100
"""Entries of a page."""

MAX_PAGE_BYTES = 256 * 1024
"""Bytes of JSON of a page."""

MAX_SEQ = 2**62
"""A larger number does not fit into a column of SQLite."""


def is_page_request(request: Request) -> bool:
    """Whether a request asks for older entries of a room's log."""
    return request.method == "GET" and "before" in request.query_params


async def page_response(
    senders: SenderRegistry, room: Room, request: Request
) -> Response:
    """Return the page before the sequence number in the query.

    It counts as a message of a client, but not of another party.
    """
    log = room.page_log
    identity = request.scope.get("party.identity")
    limiter = senders.get_limiter(request, identity, room) if identity else None
    if limiter and (refusal := limiter.consume()):
        reason, seconds = refusal
        retry = {"Retry-After": str(math.ceil(seconds))}
        raise HTTPException(429, reason, retry)
    if log is None:
        raise HTTPException(404, "This room has no log.")
    try:
        before = int(request.query_params["before"])
    except ValueError:
        raise HTTPException(422, "“before” is a sequence number.") from None
    return Response(
        await encode_page(log, before),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def encode_page(log: Log[Any], before: int) -> Frame:
    """Return the newest entries before a sequence number, the oldest first.

    The page is `{"epoch": …, "messages": […]}`. An empty list says that there
    are no older entries. A client that has another epoch drops the page.
    """
    epoch = log.epoch
    entries = await log.before(min(max(before, 0), MAX_SEQ), PAGE_SIZE)
    messages = EncodedJSON(encode_newest(entries, MAX_PAGE_BYTES))
    return encode({"epoch": epoch, "messages": messages})
