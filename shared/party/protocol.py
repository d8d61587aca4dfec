"""uvicorn's WebSocket protocol, which can also leave a reader behind."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

LAST_CHANCE = 2.0
"""Seconds in which a reader may still fetch what it was sent."""


class PartyProtocol(WebSocketsSansIOProtocol):
    """Offers `hang_up` to the app, in `scope["extensions"]`.

    ASGI's own close waits until everything before it was read, which a
    stalled reader never does.
    """

    def handle_connect(self, event: Any) -> None:
        """Take a handshake, as uvicorn does, with one offer more."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.hang_up"] = self.hang_up

    def hang_up(self, code: int, reason: str) -> None:
        """Close now, and cut the line if the reader does not even notice."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.loop.call_later(LAST_CHANCE, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Pass on a frame; text that is not UTF-8 ends its socket.

        uvicorn ends it too, with a traceback in the log.
        """
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.send_close(1007, "Text must be UTF-8.")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send; a refused handshake is complete, which uvicorn forgets."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True
