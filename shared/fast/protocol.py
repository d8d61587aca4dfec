"""The project's WebSocket protocol, with a short way in and out."""

from collections.abc import Callable
from typing import Any

from ..party.frames import Frame
from ..party.protocol import PartyProtocol
from .frames import PING, PONG, SIMPLE, TEXT, extent, unmask
from .post import post_of


class FastProtocol(PartyProtocol):
    """Writes what is `pending` itself, past ASGI, once in a turn.

    Offers itself to the outbox, as `scope["extensions"]["party.shortcut"]`.
    Who does not keep up is left to that: it waits, counts and evicts. What
    comes in is told to `hear`, which returns whether it takes it.
    """

    hear: Callable[[Frame], bool] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pending: list[bytes] = []
        self.post = post_of(self.loop)
        self.rest = b""
        self.odd = False

    def handle_connect(self, event: Any) -> None:
        """Take a handshake, and offer the shortcut with it."""
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.shortcut"] = self

    def flush(self) -> bool:
        """Write what is pending; returns whether the reader keeps up."""
        pending, self.pending = self.pending, []
        if self.close_sent or self.transport.is_closing():
            return True
        if pending:
            self.transport.write(b"".join(pending))
        return self.writable.is_set()

    async def send(self, message: Any) -> None:
        """Send by ASGI, behind what is pending."""
        self.flush()
        await super().send(message)

    def shutdown(self) -> None:
        """Close as the server ends, behind what is pending."""
        self.flush()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read simple frames; all else, and what follows, is uvicorn's."""
        data, self.rest = self.rest + data, b""
        if self.odd or self.close_sent or not self.handshake_complete:
            # Who does not wait for our handshake may be amid a frame later.
            self.odd = self.odd or self.handshake_initiated
            super().data_received(data)
            return
        at = end = 0
        while not self.odd and (end := self.take(data, at)):
            at = end
        if self.odd:
            super().data_received(data[at:])
        else:
            self.rest = data[at:]

    def take(self, data: bytes, at: int) -> int:
        """Take one frame: where the next begins, or 0 if it isn't whole."""
        mask, end = extent(data, at, SIMPLE)
        if not at < end <= len(data):
            self.odd = not end
            return 0
        kind = data[at]
        if kind in (PING, PONG):
            super().data_received(data[at:end])
            return end
        said = unmask(data, mask, end)
        try:
            frame = said.decode() if kind == TEXT else said
        except UnicodeDecodeError:
            self.odd = True
            return 0
        if not (self.hear and self.queue.empty() and self.hear(frame or "")):
            self.curr_msg_data_type = "text" if kind == TEXT else "bytes"
            self.frames = [said]
            self.send_receive_event_to_app()
        return end
