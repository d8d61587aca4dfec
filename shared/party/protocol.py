"""uvicorn's WebSocket protocol, which nobody can hold up or fill."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from websockets.http11 import Request, Response
from websockets.protocol import Protocol

from .frames import PING, PONG

LAST_CHANCE = 2.0
"""Seconds in which a reader may still fetch what it was sent."""

MOST_PARTS = 1_000
"""In how many parts a frame may come: each takes memory, even an empty one."""

SILENT = 1011, "You were not there any more."
"""With what a reader that answers no ping is left behind."""


class PartyProtocol(WebSocketsSansIOProtocol):
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

    def handle_ping(self) -> None:
        """Answer, unless answers pile up: nobody has to have each."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Any) -> None:
        """Take one more part of a frame."""
        if len(self.frames) < MOST_PARTS:
            super().handle_cont(event)
        else:
            self.refuse(1009, "A frame in so many parts is too big.")

    def send_receive_event_to_app(self) -> None:
        """Pass on a frame, but for a heartbeat, which is answered here.

        Text that is not UTF-8 ends its socket; uvicorn ends it too, with a
        traceback in the log.
        """
        if self.curr_msg_data_type == "text":
            text = b"".join(self.frames)
            if text == PING.encode() and self.handshake_complete:
                if not self.close_sent:
                    self.conn.send_text(PONG.encode())
                    self.handle_ping()
                return
            try:
                text.decode()
            except UnicodeDecodeError:
                self.refuse(1007, "Text must be UTF-8.")
                return
        super().send_receive_event_to_app()

    def refuse(self, code: int, reason: str) -> None:
        """End the socket of who sends what cannot be taken."""
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()

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
