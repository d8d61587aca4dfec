"""Whose place in a room is whose: an id belongs to the browser it came from."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

ATTEMPT = re.compile(r"([\w.]{1,32})-(\d{1,9})", re.ASCII)
"""A page's name for itself, and the number of its attempt to connect."""

KEPT = 10.0
"""Seconds that a place is kept for who has lost the connection."""

TAKEN = 409, "Somebody else is here under this id."

OUTDATED = 409, "This page has connected again since."


class Place:
    """An id, while it is somebody's."""

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.holders = 0
        self.page = ""
        self.attempt = 0
        self.end: asyncio.TimerHandle | None = None


class Places:
    """The ids that are in a room, or just were."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    @contextmanager
    def held(
        self, id: str, newcomer: HTTPConnection, browser: str
    ) -> Iterator[None]:
        """Have a place as long as the block lasts, and a little longer.

        Raises HTTPException, if the id is another browser's: everybody is
        told all ids, and nobody may take over with one. And for a handshake
        that its page gave up before it made a later one.
        """
        place = self._places.setdefault(id, Place(browser))
        if place.browser != browser:
            raise HTTPException(*TAKEN)
        page, number = attempt_of(newcomer)
        if page == place.page and number < place.attempt:
            raise HTTPException(*OUTDATED)
        place.page, place.attempt = page, number
        if place.end:
            place.end.cancel()
        place.holders += 1
        try:
            yield
        finally:
            place.holders -= 1
            if not place.holders:
                loop = asyncio.get_running_loop()
                place.end = loop.call_later(KEPT, self._places.pop, id)


def attempt_of(newcomer: HTTPConnection) -> tuple[str, int]:
    """Parse `attempt=PAGE-NUMBER` of a handshake's query; else `"", 0`."""
    found = ATTEMPT.fullmatch(newcomer.query_params.get("attempt", ""))
    return (found[1], int(found[2])) if found else ("", 0)
