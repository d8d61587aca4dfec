"""The way in: complete messages are handed over at once, without a queue."""

import zlib
from collections.abc import Callable
from typing import Any

from websockets.http11 import Request

from ..encoding import LOOKED_AT, Frame, Oversized
from .deflate import AGREEMENT
from .frame_codec import alone
from .frame_reader import BINARY, NO_UTF8, RSV1, TEXT
from .shared_deflate import TAIL
from .websocket_protocol import PartyProtocol

PACKED_MESSAGES = {TEXT | RSV1, BINARY | RSV1}


class ReadingProtocol(PartyProtocol):
    """Hands over messages past ASGI; those that are compressed, as they are."""

    hear: Callable[..., object] | None = None
    """Takes a message, and what inflates it if it is compressed."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn.available_extensions = [AGREEMENT]

    @property
    def inflates(self) -> bool:
        """Whether frames may be compressed, both ways."""
        return bool(self.conn.extensions)

    def handle_connect(self, event: Request) -> None:
        """Take a handshake, after which frames may be compressed."""
        super().handle_connect(event)
        if self.inflates:
            self.simple = self.simple | PACKED_MESSAGES

    def stop_reading(self) -> None:
        """Hand nothing over any more."""
        self.hear = None
        super().stop_reading()

    def data_received(self, data: bytes) -> None:
        """Read what comes; a cursor's move goes the shortest way."""
        hear = self.hear
        if self.rest or self.first or self.read_paused or self.close_sent:
            super().data_received(data)
        elif hear and (message := alone(data)):
            hear(message)
        else:
            self.read_frames(data)

    def _take_message(self, first: int, payload: bytes) -> None:
        if self._deadline:
            self._clear_deadline()
        hear = None if self.read_paused else self.hear
        if first & RSV1:
            unpack = self.unpack_text if first & 1 else self.unpack
            if hear:
                hear(payload, unpack)
            elif (message := unpack(payload, self.max_size)) is not None:
                self.hand_over(message)
        elif not hear:
            super()._take_message(first, payload)
        elif first & 1:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                self.refuse(*NO_UTF8)
            else:
                hear(text)
        else:
            hear(payload)

    def unpack(self, data: bytes, most: int) -> bytes | None:
        """Inflate bytes, as far as `most`; None: the connection is closed."""
        try:
            inflater = zlib.decompressobj(wbits=-15)
            plain = inflater.decompress(data + TAIL, most + 1)
        except zlib.error:
            self.refuse(1002, "This cannot be inflated.")
            return None
        self._inflated += len(plain) >> 10
        return plain if len(plain) <= most else Oversized(plain[:LOOKED_AT])

    def unpack_text(self, data: bytes, most: int) -> Frame | None:
        """Inflate text, likewise."""
        plain = self.unpack(data, most)
        try:
            return plain.decode() if type(plain) is bytes else plain
        except UnicodeDecodeError:
            self.refuse(*NO_UTF8)
            return None

    def hand_over(self, message: Frame) -> None:
        """Give a message to whoever hears it, or else to the queue.

        It may not overtake what is in that already.
        """
        if self.hear and not self.read_paused:
            self.hear(message)
        else:
            super().hand_over(message)
