"""All parties of an app, and those of their rooms that are live."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .backlog import Backlog
from .fetch import Party
from .limits import Bounds
from .live import Live
from .message_rate_limiter import Senders
from .responses import answer, error_response
from .rooms import Connection, Room, Server
from .shutdown import MOMENT, end
from .storage.entry import Entry
from .storage.memory import Key, Store

CLEARED = 1012, "This room was cleared. Come back in a moment."
"""With what connections are closed when another process has done that."""

logger = logging.getLogger("party")


class Parties:
    """The parties by their names, and what they all share.

    `parties["usage"].get("total").fetch(…)` asks another party over HTTP.
    """

    def __init__(
        self,
        servers: Mapping[str, type[Server]],
        bounds: Bounds | None = None,
        store: Store | None = None,
    ) -> None:
        self.servers = {name.lower(): each for name, each in servers.items()}
        self.bounds = bounds or Bounds()
        self.store = store or Store()
        self.store.tell = self._catch_up
        self.backlog = Backlog(self.bounds.max_queued_bytes)
        self.live = Live(self.bounds, self.store.release)
        self.senders = Senders(self.bounds)
        self.closed = False

    def __getitem__(self, name: str) -> Party:
        if name.lower() not in self.servers:
            raise KeyError(f"There is no party {name!r} in this app.")
        return Party(self, name.lower())

    def room(self, name: str, id: str) -> Room | None:
        """A room, if it is live."""
        server = self.live.servers.get((name, id))
        return server.room if server else None

    def connections(self) -> list[Connection]:
        """Everybody who is in a room now."""
        return [each for room in self.live.rooms for each in room.connections()]

    @asynccontextmanager
    async def enter(
        self, name: str, id: str, most: int | None = None
    ) -> AsyncIterator[Server]:
        """The server of a room, started; it lives while somebody is inside.

        Raises HTTPException: 404 for a party or a room that does not exist,
        500 for one that cannot start, 503 when `most` are in it or too many
        rooms are busy, 429 when too many were made just now.
        """
        key = name.lower(), id
        party = self._party(*key)

        def make() -> Server:
            server = party(room := Room(*key, self))
            server.room = room  # also where an `__init__` forgets `super()`
            return server

        with self.live.visited(key, make, most) as server:
            await self._start(server)
            yield server

    async def respond(self, name: str, id: str, request: Request) -> Response:
        """What a room answers to a request; its errors are answers too."""
        try:
            if self._party(name.lower(), id).on_request is Server.on_request:
                raise HTTPException(404, "This party answers no requests.")
            async with self.enter(name, id) as server:
                return await answer(server, request)
        except HTTPException as error:
            return error_response(error)

    async def shutdown(self, grace: float) -> None:
        """Let hooks finish for `grace` seconds, then close all connections.

        Done again, it is about the hooks that closing has started.
        """
        grace = MOMENT if self.closed else grace
        self.closed = True
        await end(self.live.rooms, grace)

    def _party(self, name: str, id: str) -> type[Server]:
        if name not in self.servers:
            raise HTTPException(404, "There is no such party.")
        party = self.servers[name]
        if party.rooms is not None and id not in party.rooms:
            raise HTTPException(404, "There is no such room.")
        return party

    async def _start(self, server: Server) -> None:
        room = server.room
        if room.started is None:
            room.started = asyncio.create_task(self._begin(server))
        try:
            await asyncio.shield(room.started)
        except HTTPException:
            self.live.drop(server)
            raise
        except Exception as error:
            logger.exception("%s: on_start failed", room)
            self.live.drop(server)
            raise HTTPException(500, "This room cannot start.") from error

    async def _begin(self, server: Server) -> None:
        await self.store.load(server.room.party, server.room.id)
        if (waits := server.on_start()) is not None:
            await waits

    def _catch_up(self, key: Key, entry: Entry | None) -> None:
        """Tell a room what another process did; cleared: all come afresh."""
        if room := self.room(*key):
            if entry is None:
                for connection in room.connections():
                    connection.close(*CLEARED)
            elif news := entry.news():
                room.broadcast(news)
