"""uvicorn's WebSocket protocol, which nobody can hold up or fill."""

from typing import Any

from websockets.http11 import Request, Response
from websockets.protocol import Protocol

from ..frame_rate_limiter import Gate
from .frame_reader import FrameReader

LAST_CHANCE = 2.0
"""Seconds in which a reader may still fetch what it was sent."""

SILENT = 1011, "You were not there any more."
"""With what a reader that answers no ping is left behind."""


class PartyProtocol(FrameReader):
    """Offers itself to the app, as `scope["extensions"]["party.line"]`.

    ASGI's own close waits until everything before it was read, which a
    stalled reader never does.
    """

    def greet(self, request: Request) -> None:
        """Take a handshake that was read already; frames come after it."""
        self.conn.parser = Protocol.parse(self.conn)
        next(self.conn.parser)
        headers = request.headers
        if (
            "Transfer-Encoding" in headers
            or headers.get("Content-Length", "0") != "0"
        ):
            self.refuse_handshake(self.conn.reject(400, "It has a body.\n"))
        else:
            self.handle_connect(request)

    def refuse_handshake(self, refusal: Response) -> None:
        """Answer a handshake that makes no sense, and close."""
        self.conn.send_response(refusal)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Take a handshake, as uvicorn does, with one offer more."""
        if event.headers.get_all("Sec-WebSocket-Version") != ["13"]:
            refusal = self.conn.reject(426, "Version 13 is spoken here.\n")
            refusal.headers["Sec-WebSocket-Version"] = "13"
            self.refuse_handshake(refusal)
            return
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.line"] = self

    def begin(self, connection: Any, gate: Gate) -> None:
        """Read for a connection in its room, within the limits of a gate."""
        self.gate, self.max_size = gate, gate.max_size

    def stop_reading(self) -> None:
        """Parse nothing any more, and wait less long for the client to end."""
        self.close_timeout = LAST_CHANCE
        super().stop_reading()

    def handle_parser_exception(self) -> None:
        """End a socket, also one that is not open yet."""
        if self.conn.close_sent:
            super().handle_parser_exception()
        else:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Leave a reader behind that answers no ping.

        uvicorn would wait until it has read what was written for it.
        """
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self.hang_up(*SILENT)

    def unread(self) -> int:
        """How many bytes the system has not even begun to send."""
        return self.transport.get_write_buffer_size()

    def hang_up(self, code: int, reason: str) -> None:
        """Close now, and cut the line if the reader does not even notice."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.close_timeout = LAST_CHANCE
        self.cut()

    def abort(self) -> None:
        """Cut the connection, whatever has not been read."""
        self.transport.abort()

    def cut(self) -> None:
        """Cut the line in a while, unless the reader ends it by then."""
        if self.close_timer:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(
                self.close_timeout, self.transport.abort
            )

    def shutdown(self) -> None:
        """End as the server does, if nothing has ended it before.

        uvicorn would raise, and leave all the other connections alone.
        """
        if self.transport.is_closing():
            self.cut()
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Run the app, and wait not for ever until the last is read."""
        await super().run_asgi()
        self.cut()

    async def send(self, message: Any) -> None:
        """Send; a refused handshake is complete, which uvicorn forgets."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True
            if self._has_more:
                self.loop.call_soon(self._read_on)
