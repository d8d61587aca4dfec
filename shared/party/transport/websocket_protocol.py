"""uvicorn's WebSocket protocol with bounded waiting: all but reading frames."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol

from ..encoding import HEARTBEAT, HEARTBEAT_REPLY, Frame
from ..frame_rate_limiter import ConnectionRateLimiter
from .frame_codec import CLOSE, PING, PONG, TEXT, serialize, unmask

CLOSE_TIMEOUT = 2.0
"""Seconds in which a client may still read what was sent before a close."""

INVALID_UTF8 = 1007, "Text must be UTF-8."
PING_TIMEOUT = 1011, "You were not there any more."
"""Close codes and reasons for invalid text, and for unanswered pings."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Handshakes, pings, the queue to the app, and closing.

    Offers itself to the app as `scope["extensions"]["party.socket"]`, since
    ASGI's own close waits until everything before it was read, which a
    stalled reader never does.
    """

    limiter: ConnectionRateLimiter | None = None
    """The rate limits of the connection, once it is in its room."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.max_size = self.config.ws_max_size
        self.is_ignored = False
        """Whether incoming data is dropped, as the connection ends."""
        self._has_more = False
        """Whether received frames wait for the next event-loop iteration."""

    def _read_on(self) -> None:
        """Parse the frames that wait; whoever reads frames overrides this."""

    def accept_handshake(self, request: Request) -> None:
        """Take a handshake that was read already; frames come after it."""
        self.conn.parser = Protocol.parse(self.conn)
        next(self.conn.parser)
        headers = request.headers
        if (
            "Transfer-Encoding" in headers
            or headers.get("Content-Length", "0") != "0"
        ):
            self._reject(self.conn.reject(400, "It has a body.\n"))
        else:
            self.handle_connect(request)

    def handle_connect(self, event: Request) -> None:
        """Take a handshake as uvicorn does, and add the extension."""
        if event.headers.get_all("Sec-WebSocket-Version") != ["13"]:
            refusal = self.conn.reject(426, "Version 13 is spoken here.\n")
            refusal.headers["Sec-WebSocket-Version"] = "13"
            self._reject(refusal)
            return
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.socket"] = self

    def _reject(self, refusal: Response) -> None:
        """Refuse an invalid handshake, and close."""
        self.conn.send_response(refusal)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def attach(self, connection: Any, limiter: ConnectionRateLimiter) -> None:
        """Read for a connection in its room, within the limits of a limiter."""
        self.limiter, self.max_size = limiter, limiter.max_bytes

    def hand_over(self, message: Frame) -> None:
        """Queue a message for the app, and read no more until it is taken.

        A page's heartbeat is answered here, as it would be by the limiter.
        """
        if message == HEARTBEAT and self.limiter:
            self._answer(TEXT, HEARTBEAT_REPLY.encode())
            return
        kind = "text" if isinstance(message, str) else "bytes"
        event: Any = {"type": "websocket.receive", kind: message}
        self.queue.put_nowait(event)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def decode(self, payload: bytes) -> str | None:
        """Decode text; close the connection and return None if it cannot be."""
        try:
            return payload.decode()
        except UnicodeDecodeError:
            self.fail_connection(*INVALID_UTF8)
            return None

    async def receive(self) -> Any:
        """Return the next event, and read on once there is none left."""
        event = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if self._has_more:
                self.loop.call_soon(self._read_on)
            else:
                self.transport.resume_reading()
        return event

    def on_control_frame(self, first: int, frame: bytes) -> None:
        """Handle a masked control frame; uvicorn handles a close frame."""
        if first == CLOSE:
            super().data_received(frame)
            self.is_ignored = True
            return
        payload = unmask(frame, 2, len(frame))
        if first == PING:
            self._answer(PONG, payload)
        else:
            self.handle_pong(WebSocketFrame(Opcode.PONG, payload))
            if self.limiter:
                self.limiter.admit_control()

    def _answer(self, first: int, payload: bytes) -> None:
        """Answer a ping within the rate, unless answers pile up."""
        limiter = self.limiter
        is_due = limiter.admit_control() if limiter else self.handshake_complete
        if is_due and self.writable.is_set():
            self.transport.write(serialize(first, payload))

    def fail_connection(self, code: int, reason: str) -> None:
        """Close the connection of a client that breaks the protocol."""
        self.is_ignored = True
        if self.close_sent or self.transport.is_closing():
            self.transport.close()
        else:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close a connection, also one that is not open yet."""
        if self.conn.close_sent:
            super().handle_parser_exception()
        else:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Close the connection of a client that answers no ping.

        uvicorn would wait until everything written was read.
        """
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self.close_now(*PING_TIMEOUT)

    def buffered_bytes(self) -> int:
        """Return how many bytes are written, but not taken by the system."""
        return self.transport.get_write_buffer_size()

    def stop_reading(self) -> None:
        """Drop what comes from now on: the connection is about to close."""
        self.is_ignored = True
        self.read_paused = False  # else uvicorn would resume when it closes
        self.close_timeout = CLOSE_TIMEOUT
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def close_now(self, code: int, reason: str) -> None:
        """Close now, and abort unless the client closes within a timeout."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.close_timeout = CLOSE_TIMEOUT
        self._abort_later()

    def abort(self) -> None:
        """Close the socket at once, whatever is still unsent."""
        self.transport.abort()

    def _abort_later(self) -> None:
        """Abort unless the client closes within the close timeout."""
        if self.close_timer:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(
                self.close_timeout, self.transport.abort
            )

    def shutdown(self) -> None:
        """Close as the server stops, unless it is closing already.

        uvicorn would raise then, and leave the other connections open.
        """
        if self.transport.is_closing():
            self._abort_later()
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Run the app, and bound the wait for the last bytes to be read."""
        await super().run_asgi()
        self._abort_later()

    async def send(self, message: Any) -> None:
        """Send; a refused handshake is complete, which uvicorn forgets."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True
            if self._has_more:
                self.loop.call_soon(self._read_on)
