"""Whose place in a room is whose: an id belongs to the browser it came from."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ..browsers import browser_of

KEPT = 10.0
"""Seconds that a place is kept for who has lost the connection."""

TAKEN = 409, "Somebody else is here under this id."


class Place:
    """An id, while it is somebody's."""

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.holders = 0
        self.end: asyncio.TimerHandle | None = None


class Places:
    """The ids that are in a room, or just were."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    @contextmanager
    def held(self, id: str, newcomer: HTTPConnection) -> Iterator[None]:
        """Have a place as long as the block lasts, and a little longer.

        Raises HTTPException, if the id is another browser's: everybody is
        told all ids, and nobody may take over with one.
        """
        browser = browser_of(newcomer)
        place = self._places.setdefault(id, Place(browser))
        if place.browser != browser:
            raise HTTPException(*TAKEN)
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
