"""The way in: simple frames are read here, and handed over at once."""

from collections.abc import Callable
from typing import Any

from ..party.frames import Frame
from ..party.protocol import PartyProtocol
from .deflate import AGREEMENT, inflate
from .frames import PACKED, PING, PONG, TEXT, alone, extent, unmask


class ReadingProtocol(PartyProtocol):
    """Leaves to uvicorn's parser what is not simple, and all after it.

    A ping or a pong goes there on its own, so that it is between two frames.
    """

    hear: Callable[[Frame], bool] | None = None
    """Takes a frame at once, or returns that it does not."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn.available_extensions = [AGREEMENT]
        self.rest = b""
        self.odd = False

    @property
    def inflates(self) -> bool:
        """Whether frames may be compressed, both ways."""
        return bool(self.conn.extensions)

    def data_received(self, data: bytes) -> None:
        """Read what comes; a cursor's move goes the shortest way."""
        waits = self.rest or self.read_paused
        hear = None if waits or self.odd or self.close_sent else self.hear
        if hear and (said := alone(data)) and hear(said):
            return
        data, self.rest = self.rest + data, b""
        if self.odd or self.close_sent or not self.handshake_complete:
            # Who does not wait for our answer may be amid a frame by then.
            self.odd = self.odd or self.handshake_initiated
            super().data_received(data)
            return
        at = 0
        while at < len(data) and not self.close_sent:
            if not (end := self.take(data, at)):
                break
            at = end
        if self.odd or self.close_sent:
            super().data_received(data[at:])
        else:
            self.rest = data[at:]

    def take(self, data: bytes, at: int) -> int:
        """Take one frame: where the next begins, or 0 if there is none yet."""
        mask, end = extent(data, at)
        if not at < end <= len(data):
            self.odd = not end
            return 0
        if data[at] in (PING, PONG):
            super().data_received(data[at:end])
            return end
        frame = self.read(data[at], unmask(data, mask, end))
        if frame is None:
            self.odd = True
            return 0
        self.hand_over(frame)
        return end

    def read(self, kind: int, said: bytes) -> Frame | None:
        """What a frame says, unless that cannot be told."""
        if kind & PACKED:
            unpacked = inflate(said) if self.inflates else None
            if unpacked is None:
                return None
            said = unpacked
        try:
            return said.decode() if kind & ~PACKED == TEXT else said
        except UnicodeDecodeError:
            return None

    def hand_over(self, frame: Frame) -> None:
        """Give a frame to whoever hears it, or else to the queue.

        It may not overtake what is in that already.
        """
        if self.hear and not self.read_paused and self.hear(frame):
            return
        text = isinstance(frame, str)
        self.curr_msg_data_type = "text" if text else "bytes"
        self.frames = [frame.encode() if isinstance(frame, str) else frame]
        self.send_receive_event_to_app()
