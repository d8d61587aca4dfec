"""Reserve a connection id for the browser that used it first."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

ATTEMPT = re.compile(r"([\w.]{1,32})-(\d{1,9})", re.ASCII)
"""A page's name for itself, and the number of its attempt to connect."""

RESERVATION_SECONDS = 10.0
"""Seconds that an id stays reserved after its connection is lost."""

ID_IN_USE = 409, "Somebody else is here under this id."

OUTDATED_ATTEMPT = 409, "This page has connected again since."


class Reservation:
    """A connection id that is a browser's."""

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.connections = 0
        self.page = ""
        self.attempt = 0
        self.expiry: asyncio.TimerHandle | None = None


class IdReservations:
    """The connection ids that are in use in a room, or were just now."""

    def __init__(self) -> None:
        self._reservations: dict[str, Reservation] = {}

    @contextmanager
    def reserve(
        self, id: str, handshake: HTTPConnection, browser: str
    ) -> Iterator[None]:
        """Reserve an id while the block runs, and a little longer.

        Raises HTTPException 409 if the id is another browser's: everybody in
        a room knows all ids, and could supersede others with them. Likewise
        for a handshake that its page gave up before it made a later one.
        """
        reservation = self._reservations.setdefault(id, Reservation(browser))
        if reservation.browser != browser:
            raise HTTPException(*ID_IN_USE)
        page, attempt = parse_attempt(handshake)
        if page == reservation.page and attempt < reservation.attempt:
            raise HTTPException(*OUTDATED_ATTEMPT)
        reservation.page, reservation.attempt = page, attempt
        if reservation.expiry:
            reservation.expiry.cancel()
        reservation.connections += 1
        try:
            yield
        finally:
            reservation.connections -= 1
            if not reservation.connections:
                loop = asyncio.get_running_loop()
                reservation.expiry = loop.call_later(
                    RESERVATION_SECONDS, self._reservations.pop, id
                )


def parse_attempt(handshake: HTTPConnection) -> tuple[str, int]:
    """Parse `attempt=PAGE-NUMBER` of a handshake's query; else `"", 0`."""
    found = ATTEMPT.fullmatch(handshake.query_params.get("attempt", ""))
    return (found[1], int(found[2])) if found else ("", 0)
