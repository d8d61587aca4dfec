"""All parties of an app, and those of their rooms that are live."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import Refused
from .fetch import Party
from .limits import Bounds, Rate
from .log import Entry
from .rooms import Connection, Room, Server
from .store import Store

RESTARTING = 1012, "The server restarts. Come back in a moment."
"""With what connections are closed on shutdown."""

ENDING = 503, "The server is about to restart."
"""With what newcomers and requests are turned away then."""

MOMENT = 0.25
"""Seconds that what ends has for its last words."""

LATER = {"Retry-After": "5"}
"""What is added for those who may try again."""

CLEARED = 1012, "This room was cleared. Come back in a moment."
"""With what connections are closed when another process has done that."""

FULL = 503, "This room is full. Come back later.", LATER
BUSY = 503, "There are too many busy rooms. Come back later.", LATER
TOO_MANY = 429, "Too many rooms were made just now. Come back later.", LATER

Key: TypeAlias = tuple[str, str]
"""What names a room: its party, and its id."""

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
        self.closed = False
        self._live: dict[Key, Server] = {}
        # Nobody is in these, though a hook may still go on there.
        self._empty: OrderedDict[Key, None] = OrderedDict()
        a_minute = self.bounds.rooms_a_minute
        self._new = Rate(a_minute / 60, a_minute)

    def __getitem__(self, name: str) -> Party:
        if name.lower() not in self.servers:
            raise KeyError(f"There is no party {name!r} in this app.")
        return Party(self, name.lower())

    def room(self, name: str, id: str) -> Room | None:
        """A room, if it is live."""
        server = self._live.get((name, id))
        return server.room if server else None

    def connections(self) -> list[Connection]:
        """Everybody who is in a room now."""
        rooms = [server.room for server in self._live.values()]
        return [each for room in rooms for each in room.connections()]

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
        server = self._get_or_create(*key)
        room = server.room
        if most is not None and room.guests >= most:
            raise HTTPException(*FULL)
        room.guests += 1
        self._empty.pop(key, None)
        try:
            await self._start(server)
            yield server
        finally:
            room.guests -= 1
            if not room.guests and self._live.get(key) is server:
                self._empty[key] = None

    async def respond(self, name: str, id: str, request: Request) -> Response:
        """What a room answers to a request; its errors are answers too."""
        answered: asyncio.Future[Response] = asyncio.Future()

        async def hook(server: Server) -> None:
            try:
                response = await server.on_request(request)
                if not isinstance(response, Response):
                    raise TypeError("on_request must return a Response")
                answered.set_result(response)
            except asyncio.CancelledError:
                answered.set_result(error_response(HTTPException(*ENDING)))
                raise
            except Exception as error:
                answered.set_result(error_response(error, str(server.room)))

        try:
            if self._party(name.lower(), id).on_request is Server.on_request:
                raise HTTPException(404, "This party answers no requests.")
            async with self.enter(name, id) as server:
                server.room.run(hook(server))
                return await asyncio.shield(answered)
        except HTTPException as error:
            return error_response(error)

    def _party(self, name: str, id: str) -> type[Server]:
        if name not in self.servers:
            raise HTTPException(404, "There is no such party.")
        party = self.servers[name]
        if party.rooms is not None and id not in party.rooms:
            raise HTTPException(404, "There is no such room.")
        return party

    def _get_or_create(self, name: str, id: str) -> Server:
        # Nothing is awaited between looking and making: that is the lock.
        party = self._party(name, id)
        if (name, id) not in self._live:
            self._make_place(listed=party.rooms is not None)
            self._live[name, id] = party(Room(name, id, self))
        return self._live[name, id]

    def _make_place(self, listed: bool) -> None:
        """Let an idle room go, if there are too many, or refuse a new one.

        Those of a list are never refused, as there are no more than those.
        """
        full = len(self._live) >= self.bounds.live_rooms
        idle = (each for each in self._empty if self._live[each].room.idle)
        oldest = next(idle, None) if full else None
        if full and not oldest and not listed:
            raise HTTPException(*BUSY)
        if not listed and not self._new.allows():
            raise HTTPException(*TOO_MANY)
        if oldest:
            # The store still has what it remembers.
            del self._live[oldest], self._empty[oldest]
            self.store.release(*oldest)

    async def _start(self, server: Server) -> None:
        room = server.room
        if room.started is None:
            room.started = asyncio.create_task(self._begin(server))
        try:
            await asyncio.shield(room.started)
        except Exception as error:
            logger.exception("%s: on_start failed", room)
            if self._live.get((room.party, room.id)) is server:
                del self._live[room.party, room.id]
            raise HTTPException(500, "This room cannot start.") from error

    def _catch_up(self, key: Key, entry: Entry | None) -> None:
        """Tell a room what another process did; cleared: all come afresh."""
        if room := self.room(*key):
            if entry is None:
                for connection in room.connections():
                    connection.close(*CLEARED)
            elif news := entry.news():
                room.broadcast(news)

    async def _begin(self, server: Server) -> None:
        await self.store.load(server.room.party, server.room.id)
        await server.on_start()

    async def shutdown(self, grace: float) -> None:
        """Let hooks finish for `grace` seconds, then close all connections.

        A hook that is late is cancelled, and has a moment to clean up. Done
        again, it is about the hooks that closing has started.
        """
        grace = MOMENT if self.closed else grace
        self.closed = True
        rooms = [server.room for server in self._live.values()]
        await finish([hook for room in rooms for hook in room.hooks], grace)
        late = [hook for room in rooms for hook in room.hooks]
        for hook in late:
            hook.cancel()
        await finish(late, MOMENT)
        for room in rooms:
            room.release_all()
        connections = self.connections()
        for connection in connections:
            connection.close(*RESTARTING)
        await finish([each.closed() for each in connections], MOMENT)


async def finish(
    awaited: Iterable[Coroutine[Any, Any, None] | asyncio.Task[None]],
    seconds: float,
) -> None:
    """Wait until all of it is done, but no longer."""
    if tasks := [asyncio.ensure_future(each) for each in awaited]:
        await asyncio.wait(tasks, timeout=seconds)


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
