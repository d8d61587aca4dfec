"""An h11 parser that is bounded in headers and work."""

from typing import Any

import h11

from ..limits import MAX_HEADER_BYTES, MAX_HEADERS, MAX_TARGET_BYTES

MAX_EVENTS_PER_ITERATION = 16
"""Parser events that one connection may cause per event-loop iteration."""

TOO_MANY_HEADERS = (
    f"A request may have {MAX_HEADERS} headers and {MAX_HEADER_BYTES:,} bytes "
    "of them at most. It may be cookies that other servers of this host have "
    "set: delete them."
)
TOO_LONG_TARGET = f"An address may have {MAX_TARGET_BYTES:,} bytes at most."


class BoundedParser(h11.Connection):
    """An h11 parser of requests with small heads, within a budget of events."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEADER_BYTES)
        self.budget = MAX_EVENTS_PER_ITERATION
        self.is_paused = False
        self.requests = 0
        self.error: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        """Return the next event; h11.NEED_DATA once the budget is spent."""
        self.is_paused = not self.budget
        if self.is_paused:
            return h11.NEED_DATA
        self.budget -= 1
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self.requests += 1
                check_head(event)
        except h11.RemoteProtocolError as error:
            self.error = error
            raise
        return event


def check_head(request: h11.Request) -> None:
    """Raise h11.RemoteProtocolError for a head that is too large."""
    if len(request.target) > MAX_TARGET_BYTES:
        raise h11.RemoteProtocolError(TOO_LONG_TARGET, 414)
    size = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if len(request.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise h11.RemoteProtocolError(TOO_MANY_HEADERS, 431)
