"""All parties of an app, and those of their rooms that are live."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import Refused
from .fetch import Party
from .log import Store
from .rooms import Connection, Room, Server

MOST_ROOMS = 1_000
"""How many rooms live at once; idle ones make place for new ones."""

RESTARTING = 1012, "The server restarts. Come back in a moment."
"""With what connections are closed on shutdown."""

ENDING = 503, "The server is about to restart."
"""With what newcomers and requests are turned away then."""

logger = logging.getLogger("party")


class Parties:
    """The parties by their names, and what they all share.

    `parties["usage"].get("total").fetch(…)` asks another party over HTTP.
    """

    def __init__(self, servers: Mapping[str, type[Server]]) -> None:
        self.servers = {name.lower(): each for name, each in servers.items()}
        self.store = Store()
        self.closed = False
        self._live: OrderedDict[tuple[str, str], Server] = OrderedDict()

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
    async def enter(self, name: str, id: str) -> AsyncIterator[Server]:
        """The server of a room, started; it lives while somebody is inside.

        Raises HTTPException: 404 for a party or a room that does not exist,
        500 for one that cannot start, 503 when too many rooms are busy.
        """
        server = self._get_or_create(name.lower(), id)
        server.room.guests += 1
        try:
            await self._start(server)
            yield server
        finally:
            server.room.guests -= 1

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
            async with self.enter(name, id) as server:
                server.room.run(hook(server))
                return await asyncio.shield(answered)
        except HTTPException as error:
            return error_response(error)

    def _get_or_create(self, name: str, id: str) -> Server:
        # Nothing is awaited between looking and making: that is the lock.
        if name not in self.servers:
            raise HTTPException(404, "There is no such party.")
        only = self.servers[name].rooms
        if only is not None and id not in only:
            raise HTTPException(404, "There is no such room.")
        if (name, id) not in self._live:
            self._make_place()
            self._live[name, id] = self.servers[name](Room(name, id, self))
        self._live.move_to_end((name, id))
        return self._live[name, id]

    def _make_place(self) -> None:
        if len(self._live) < MOST_ROOMS:
            return
        for key, server in self._live.items():
            if server.room.idle:
                # The store still has what it remembers.
                del self._live[key]
                return
        raise HTTPException(503, "There are too many busy rooms.")

    async def _start(self, server: Server) -> None:
        room = server.room
        if room.started is None:
            room.started = asyncio.create_task(server.on_start())
        try:
            await asyncio.shield(room.started)
        except Exception as error:
            logger.exception("%s: on_start failed", room)
            if self._live.get((room.party, room.id)) is server:
                del self._live[room.party, room.id]
            raise HTTPException(500, "This room cannot start.") from error

    async def shutdown(self, grace: float) -> None:
        """Let hooks finish for `grace` seconds, then close all connections.

        A hook that is late is cancelled, and has a second to clean up.
        """
        self.closed = True
        rooms = [server.room for server in self._live.values()]
        hooks = [hook for room in rooms for hook in room.hooks]
        if hooks:
            _, late = await asyncio.wait(hooks, timeout=grace)
            for hook in late:
                hook.cancel()
            if late:
                await asyncio.wait(late, timeout=1)
        closed = []
        for room in rooms:
            room.release_all()
            for connection in room.connections():
                connection.close(*RESTARTING)
                closed.append(asyncio.create_task(connection.closed()))
        if closed:
            await asyncio.wait(closed, timeout=1)


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
