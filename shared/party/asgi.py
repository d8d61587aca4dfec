"""The ASGI app behind `/parties`: WebSockets and requests go to a room."""

import asyncio
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from .backpressure import socket_control
from .connection import Connection
from .encoding import Frame, frame_size
from .errors import MessageRejected
from .frame_rate_limiter import ConnectionRateLimiter, find_id
from .message_rate_limiter import Identify, Identity, MessageRateLimiter
from .paths import parse_connection_id, parse_room_path
from .registry import PartyRegistry
from .responses import SHUTTING_DOWN, error_response
from .server import Server
from .upgrade_check import UpgradeCheck


class PartyApp:
    """Serve `/parties/PARTY/ROOM`; `identify` returns a client's browser."""

    def __init__(
        self, parties: PartyRegistry, identify: Identify = lambda _: Identity()
    ) -> None:
        self.parties = parties
        self.identify = identify
        self.upgrade_check = UpgradeCheck()

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive, send)
            try:
                self._check_open()
                self.upgrade_check.check(request)
                path = parse_room_path(scope)
                scope["party.identity"] = self.identify(request)
                response = await self.parties.respond(*path, request)
            except HTTPException as error:
                response = error_response(error)
            await response(scope, receive, send)
        else:
            websocket = WebSocket(scope, receive, send)
            try:
                await self._connect(websocket)
            except HTTPException as error:
                await websocket.send_denial_response(error_response(error))

    def _check_open(self) -> None:
        """Refuse clients meanwhile; requests of parties go on."""
        if not self.parties.is_open:
            raise HTTPException(*SHUTTING_DOWN)

    async def _connect(self, websocket: WebSocket) -> None:
        """Accept a WebSocket into its room, or refuse the handshake."""
        self._check_open()
        id = parse_connection_id(websocket)
        party, room_id = parse_room_path(websocket.scope)
        parties, identity = self.parties, self.identify(websocket)
        max_occupancy = parties.limits.max_connections_per_room
        async with parties.enter(party, room_id, max_occupancy) as server:
            room = server.room
            messages = parties.senders.get_limiter(websocket, identity, room)
            with room._reservations.reserve(id, websocket, identity.browser):
                await websocket.accept()
                name = f"{room} {quote(id)}"
                connection = Connection(id, websocket, name, parties.backlog)
                try:
                    await self._serve(server, connection, messages)
                except asyncio.CancelledError:
                    if not connection._is_evicted:
                        raise

    async def _serve(
        self,
        server: Server,
        connection: Connection,
        messages: MessageRateLimiter,
    ) -> None:
        """Run the hooks of a connection, from on_connect to on_close."""
        room, websocket = server.room, connection.websocket
        max_bytes = (
            server.max_frame_bytes or self.parties.limits.max_frame_bytes
        )
        too_large = f"A frame may have {max_bytes:,} bytes at most."

        def on_frame(frame: Frame) -> None:
            # A connection that was superseded could not be answered.
            if room.connections_by_id.get(connection.id) is connection:
                # A character is at most four bytes of UTF-8.
                if len(frame) * 4 > max_bytes and frame_size(frame) > max_bytes:
                    error = MessageRejected(too_large, find_id(frame))
                    connection.send(error.frame)
                else:
                    room._run_hook(
                        server.on_message, frame, connection, caller=connection
                    )

        limiter = ConnectionRateLimiter(
            server, connection, messages, max_bytes, on_frame
        )
        room._join(connection)
        if control := socket_control(websocket):
            control.attach(connection, limiter)
        try:
            room._run_hook(
                server.on_connect, connection, websocket, caller=connection
            )
            while (event := await websocket.receive())["type"] != (
                "websocket.disconnect"
            ):
                text = event.get("text")
                await limiter.receive(event["bytes"] if text is None else text)
        finally:
            limiter.close()
            room._leave(connection)
            connection._stop()
            room._run_hook(server.on_close, connection)
