"""The parties of an app, and those of their rooms that are live."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .backlog import Backlog
from .connection import Connection
from .delivery import QueueTransport, TransportFactory
from .fetch import PartyNamespace
from .limits import Limits, TokenBucket
from .message_rate_limiter import SenderRegistry
from .paging import is_page_request, page_response
from .responses import RETRY_LATER, call_on_request, error_response
from .room import Room, RoomContext
from .server import Server
from .shutdown import CANCEL_TIMEOUT, close_rooms
from .storage.backend import RoomKey, StorageError
from .storage.log import Entry
from .storage.store import Store

CLEARED = 1012, "This room was cleared. Come back in a moment."
"""The close code and reason when another process has cleared the room."""

ROOM_FULL = 503, "This room is full. Come back later.", RETRY_LATER
ROOM_UNREADABLE = 503, "The server cannot read this room now.", RETRY_LATER
TOO_MANY_ROOMS = (
    503,
    "There are too many busy rooms. Come back later.",
    RETRY_LATER,
)
TOO_MANY_NEW_ROOMS = (
    429,
    "Too many rooms were made just now. Come back later.",
    RETRY_LATER,
)

logger = logging.getLogger("party")


class RoomRegistry:
    """The live rooms, bounded in number; `on_evict` is called with a key."""

    def __init__(
        self, limits: Limits, on_evict: Callable[[str, str], None]
    ) -> None:
        self.servers: dict[RoomKey, Server] = {}
        self._limits = limits
        self._on_evict = on_evict
        # In order of the last visit. A hook may still run in these.
        self._unoccupied: OrderedDict[RoomKey, None] = OrderedDict()
        a_minute = limits.max_new_rooms_per_minute
        self._new_rooms = TokenBucket(a_minute / 60, a_minute)

    def rooms(self) -> list[Room]:
        """Return the live rooms."""
        return [server.room for server in self.servers.values()]

    @contextmanager
    def occupy(
        self,
        key: RoomKey,
        make: Callable[[], Server],
        max_occupancy: int | None,
    ) -> Iterator[Server]:
        """Return a room's server, and keep the room while the block runs.

        The room is made if it is not live. Raises HTTPException when
        `max_occupancy` is reached, or when another room would be too many.
        """
        server = self._get_or_create(key, make)
        room = server.room
        if max_occupancy is not None and room.occupancy >= max_occupancy:
            raise HTTPException(*ROOM_FULL)
        room.occupancy += 1
        self._unoccupied.pop(key, None)
        try:
            yield server
        finally:
            room.occupancy -= 1
            if not room.occupancy and self.servers.get(key) is server:
                self._unoccupied[key] = None

    def remove(self, server: Server) -> None:
        """Remove a room that could not start."""
        key = server.room.party, server.room.id
        if self.servers.get(key) is server:
            del self.servers[key]

    def _get_or_create(
        self, key: RoomKey, make: Callable[[], Server]
    ) -> Server:
        # No await between the check and the insertion: no lock is needed.
        if key not in self.servers:
            server = make()
            self._evict_idle(is_listed=server.rooms is not None)
            self.servers[key] = server
        return self.servers[key]

    def _evict_idle(self, is_listed: bool) -> None:
        """Make room for a new one: evict an idle one, or refuse the new one.

        Rooms of a list are never refused: the list bounds their number.
        """
        is_full = len(self.servers) >= self._limits.max_rooms
        idle = (
            each for each in self._unoccupied if self.servers[each].room.is_idle
        )
        oldest = next(idle, None) if is_full else None
        if is_full and not oldest and not is_listed:
            raise HTTPException(*TOO_MANY_ROOMS)
        if not is_listed and not self._new_rooms.try_consume():
            raise HTTPException(*TOO_MANY_NEW_ROOMS)
        if oldest:
            # The store keeps the log.
            del self.servers[oldest], self._unoccupied[oldest]
            self._on_evict(*oldest)


class PartyRegistry:
    """The parties of an app by name, and what all their rooms share.

    `parties["usage"].get("total").fetch(…)` sends a request to a room.
    """

    def __init__(
        self,
        servers: Mapping[str, type[Server]],
        limits: Limits | None = None,
        store: Store | None = None,
        transport: TransportFactory = QueueTransport,
        context: Any = None,
    ) -> None:
        self.servers = {name.lower(): each for name, each in servers.items()}
        self.limits = limits or Limits()
        self.store = store or Store()
        self.store.on_external_change = self._apply_external
        self.context = RoomContext(self, self.store, transport, context)
        self.backlog = Backlog(self.limits.max_queued_bytes)
        self.rooms = RoomRegistry(self.limits, self.store.release)
        self.senders = SenderRegistry(self.limits)
        self.closed = False
        self.interrupted_until = 0.0

    def __getitem__(self, name: str) -> PartyNamespace:
        if name.lower() not in self.servers:
            raise KeyError(f"There is no party {name!r} in this app.")
        return PartyNamespace(self.respond, name.lower())

    @property
    def is_open(self) -> bool:
        """Whether clients may connect now."""
        return not self.closed and time.monotonic() >= self.interrupted_until

    def room(self, name: str, id: str) -> Room | None:
        """Return a room, if it is live."""
        server = self.rooms.servers.get((name, id))
        return server.room if server else None

    def connections(self) -> list[Connection]:
        """Return the connections in all rooms."""
        rooms = self.rooms.rooms()
        return [each for room in rooms for each in room.connections()]

    @asynccontextmanager
    async def enter(
        self, name: str, id: str, max_occupancy: int | None = None
    ) -> AsyncIterator[Server]:
        """Return a room's server, started; the block keeps the room live.

        Raises HTTPException: 404 for a party or a room that does not exist,
        500 for one that cannot start, 503 when `max_occupancy` is reached or
        too many rooms are busy, 429 when too many were made just now.
        """
        key = name.lower(), id
        party = self._get_party(*key)

        def make() -> Server:
            server = party(room := Room(*key, self.context))
            server.room = room  # also if `__init__` does not call super()
            return server

        with self.rooms.occupy(key, make, max_occupancy) as server:
            await self._start(server)
            yield server

    async def respond(self, name: str, id: str, request: Request) -> Response:
        """Return a room's response to a request; an error is one, too."""
        try:
            party = self._get_party(name.lower(), id)
            has_hook = party.on_request is not Server.on_request
            if not has_hook and not is_page_request(request):
                raise HTTPException(404, "This party answers no requests.")
            async with self.enter(name, id) as server:
                if has_hook:
                    return await call_on_request(server, request)
                return await page_response(self.senders, server.room, request)
        except HTTPException as error:
            return error_response(error)

    async def shutdown(self, grace: float) -> None:
        """Let hooks finish for `grace` seconds, then close all connections.

        A second call ends the hooks that the closing has started.
        """
        grace = CANCEL_TIMEOUT if self.closed else grace
        self.closed = True
        await close_rooms(self.rooms.rooms(), grace)

    def _get_party(self, name: str, id: str) -> type[Server]:
        if name not in self.servers:
            raise HTTPException(404, "There is no such party.")
        party = self.servers[name]
        if party.rooms is not None and id not in party.rooms:
            raise HTTPException(404, "There is no such room.")
        return party

    async def _start(self, server: Server) -> None:
        room = server.room
        if room._start_task is None:
            room._start_task = asyncio.create_task(self._run_on_start(server))
        try:
            await asyncio.shield(room._start_task)
        except HTTPException:
            self.rooms.remove(server)
            raise
        except Exception as error:
            logger.exception("%s: on_start failed", room)
            self.rooms.remove(server)
            raise HTTPException(500, "This room cannot start.") from error

    async def _run_on_start(self, server: Server) -> None:
        try:
            await self.store.load(server.room.party, server.room.id)
        except StorageError:
            raise HTTPException(*ROOM_UNREADABLE) from None
        if (result := server.on_start()) is not None:
            await result

    def _apply_external(self, key: RoomKey, entry: Entry | None) -> None:
        """Broadcast another process's entry; None: it cleared the room."""
        if room := self.room(*key):
            if entry is None:
                for connection in room.connections():
                    connection.close(*CLEARED)
            elif frame := entry.to_frame():
                room.broadcast(frame)
