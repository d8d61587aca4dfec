"""From a URL to a room: WebSocket and HTTP, and who may come in."""

import asyncio
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from .backpressure import line_of
from .encoding import Frame, size
from .errors import Refused
from .frame_rate_limiter import Gate, id_in
from .message_rate_limiter import Identify, Identity, MessageLimit
from .paths import address, connection_id
from .registry import Parties
from .responses import ENDING, error_response
from .rooms import Connection, Server
from .upgrade_check import UpgradeCheck


class Edge:
    """The ASGI app behind `/parties`; `identify` says whose browser it is."""

    def __init__(
        self, parties: Parties, identify: Identify = lambda _: Identity()
    ) -> None:
        self.parties = parties
        self.identify = identify
        self.upgrade = UpgradeCheck()

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive, send)
            try:
                self.check_open()
                self.upgrade.check(request)
                response = await self.parties.respond(*address(scope), request)
            except HTTPException as error:
                response = error_response(error)
            await response(scope, receive, send)
        else:
            websocket = WebSocket(scope, receive, send)
            try:
                await self.connect(websocket)
            except HTTPException as error:
                await websocket.send_denial_response(error_response(error))

    def check_open(self) -> None:
        """Turn away who comes when the server ends; parties may go on."""
        if self.parties.closed:
            raise HTTPException(*ENDING)

    async def connect(self, websocket: WebSocket) -> None:
        """Let a WebSocket into its room, or refuse the handshake."""
        self.check_open()
        id = connection_id(websocket)
        party, room = address(websocket.scope)
        most = self.parties.bounds.max_connections_per_room
        identity = self.identify(websocket)
        async with self.parties.enter(party, room, most) as server:
            senders = self.parties.senders
            limit = senders.limit(websocket, identity, server.room)
            with server.room.places.held(id, websocket, identity.browser):
                await websocket.accept()
                name = f"{server.room} {quote(id)}"
                backlog = self.parties.backlog
                connection = Connection(id, websocket, name, backlog)
                try:
                    await self.listen(server, connection, websocket, limit)
                except asyncio.CancelledError:
                    if not connection.evicted:
                        raise

    async def listen(
        self,
        server: Server,
        connection: Connection,
        websocket: WebSocket,
        limit: MessageLimit,
    ) -> None:
        """Start the hooks of a connection, from its beginning to its end."""
        room = server.room
        most = server.max_frame_bytes or room.parties.bounds.max_frame_bytes
        too_large = f"A frame may have {most:,} bytes at most."

        def pass_on(frame: Frame) -> None:
            # Who has given way to a later one could not be answered.
            if room.present.get(connection.id) is connection:
                # Of UTF-8, a character has four bytes at most.
                if len(frame) * 4 > most and size(frame) > most:
                    connection.send(Refused(too_large, id_in(frame)).frame)
                else:
                    room.run(
                        server.on_message, frame, connection, caller=connection
                    )

        gate = Gate(server, connection, limit, most, pass_on)
        room.join(connection)
        if line := line_of(websocket):
            line.begin(connection, gate)
        try:
            room.run(
                server.on_connect, connection, websocket, caller=connection
            )
            while (event := await websocket.receive())["type"] != (
                "websocket.disconnect"
            ):
                text = event.get("text")
                await gate.take(event["bytes"] if text is None else text)
        finally:
            gate.close()
            room.leave(connection)
            connection.stop()
            room.run(server.on_close, connection)
