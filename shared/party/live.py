"""The rooms that are live, and no more of them than there may be."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from .limits import Bounds, Rate
from .responses import LATER
from .rooms import Room, Server
from .storage.memory import Key

FULL = 503, "This room is full. Come back later.", LATER
BUSY = 503, "There are too many busy rooms. Come back later.", LATER
TOO_MANY = 429, "Too many rooms were made just now. Come back later.", LATER


class Live:
    """The servers of live rooms; `let_go` hears of each that is no more."""

    def __init__(
        self, bounds: Bounds, let_go: Callable[[str, str], None]
    ) -> None:
        self.bounds = bounds
        self.let_go = let_go
        self.servers: dict[Key, Server] = {}
        # Nobody is in these, though a hook may still go on there.
        self._empty: OrderedDict[Key, None] = OrderedDict()
        a_minute = bounds.max_new_rooms_per_minute
        self._new = Rate(a_minute / 60, a_minute)

    @property
    def rooms(self) -> list[Room]:
        """All of them."""
        return [server.room for server in self.servers.values()]

    @contextmanager
    def visited(
        self, key: Key, make: Callable[[], Server], most: int | None
    ) -> Iterator[Server]:
        """A room, made if need be; it lives while somebody is inside.

        Raises HTTPException when `most` are in it, or there is no place for
        another room.
        """
        server = self._get_or_create(key, make)
        room = server.room
        if most is not None and room.guests >= most:
            raise HTTPException(*FULL)
        room.guests += 1
        self._empty.pop(key, None)
        try:
            yield server
        finally:
            room.guests -= 1
            if not room.guests and self.servers.get(key) is server:
                self._empty[key] = None

    def drop(self, server: Server) -> None:
        """Let a room go that could not start."""
        key = server.room.party, server.room.id
        if self.servers.get(key) is server:
            del self.servers[key]

    def _get_or_create(self, key: Key, make: Callable[[], Server]) -> Server:
        # Nothing is awaited between looking and making: that is the lock.
        if key not in self.servers:
            server = make()
            self._make_place(listed=server.rooms is not None)
            self.servers[key] = server
        return self.servers[key]

    def _make_place(self, listed: bool) -> None:
        """Let an idle room go, if there are too many, or refuse a new one.

        Those of a list are never refused, as there are no more than those.
        """
        full = len(self.servers) >= self.bounds.max_rooms
        idle = (each for each in self._empty if self.servers[each].room.idle)
        oldest = next(idle, None) if full else None
        if full and not oldest and not listed:
            raise HTTPException(*BUSY)
        if not listed and not self._new.allows():
            raise HTTPException(*TOO_MANY)
        if oldest:
            # The store still has what it remembers.
            del self.servers[oldest], self._empty[oldest]
            self.let_go(*oldest)
