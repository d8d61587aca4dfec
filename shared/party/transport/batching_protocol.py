"""The WebSocket protocol of the fast transport: frames skip ASGI both ways."""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from websockets.http11 import Request

from ..connection import Connection
from ..encoding import ID_SCAN_BYTES, Frame, OversizedFrame, SharedFrame
from ..frame_rate_limiter import ConnectionRateLimiter
from .bounded_protocol import BoundedProtocol
from .deflate import DEFLATE_FACTORY, FLUSH_TRAILER, SharedDeflate
from .frame_codec import (
    BINARY,
    RSV1,
    TEXT,
    encode_payload,
    header,
    parse_single,
    serialize,
)
from .write_batcher import get_write_batcher

MAX_DIRECT_SIZE = 64 * 1024
"""Length of a frame that is written at once; a larger one is queued."""

COMPRESSED_TYPES = frozenset({TEXT | RSV1, BINARY | RSV1})


class BatchWriter(Protocol):
    """The Broadcaster, which writes for many connections of a room."""

    def detach(self, protocol: "BatchingProtocol") -> None:
        """Hand a connection its share of the batch, and batch no more."""


class BatchingProtocol(BoundedProtocol):
    """Passes messages on by a call, and writes once per loop iteration.

    Its Connection finds it as `scope["extensions"]["party.direct_socket"]`, and
    keeps the backpressure: it waits, counts and evicts.
    """

    connection: Connection | None = None
    """The connection in its room, once it has joined."""

    on_frame: Callable[..., object] | None = None
    """Called with a message, and a function that inflates a compressed one."""

    broadcaster: BatchWriter | None = None
    """The one that writes for this connection, while it is `synced`."""

    compressor: SharedDeflate | None = None
    missed_frame = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn.available_extensions = [DEFLATE_FACTORY]
        self.pending: list[bytes] = []
        """Frames to write when the event-loop iteration ends."""
        self.batcher = get_write_batcher(self.loop)

    @property
    def accepts_deflate(self) -> bool:
        """Whether frames may be compressed, both ways."""
        return bool(self.conn.extensions)

    @property
    def is_open(self) -> bool:
        """Whether anything can still be written."""
        closing = self.close_sent or self.transport.is_closing()
        return bool(self.connection) and not closing

    def handle_connect(self, event: Request) -> None:
        """Take a handshake, and offer itself to the connection."""
        super().handle_connect(event)
        if self.accepts_deflate:
            self.message_types = self.message_types | COMPRESSED_TYPES
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.direct_socket"] = self

    def attach(
        self, connection: Connection, limiter: ConnectionRateLimiter
    ) -> None:
        """Pass what comes to a connection in its room."""
        super().attach(connection, limiter)
        self.connection, self.on_frame = connection, limiter.admit

    def connection_lost(self, exc: Exception | None) -> None:
        """Release whatever refers back here, so that no cycle is left."""
        self.detach()
        super().connection_lost(exc)
        self.conn.parser_exc = None
        self.compressor = self.broadcaster = self.connection = None
        del self.conn.parser
        extensions = getattr(self, "scope", {}).get("extensions", {})
        for name in ("party.socket", "party.direct_socket"):
            extensions.pop(name, None)

    # Incoming

    def stop_reading(self) -> None:
        """Pass nothing on any more."""
        self.on_frame = None
        super().stop_reading()

    def data_received(self, data: bytes) -> None:
        """Read what comes; a single short frame skips the parser."""
        on_frame = self.on_frame
        if self.buffer or self.first or self.read_paused or self.close_sent:
            super().data_received(data)
        elif on_frame and (message := parse_single(data)):
            on_frame(message)
        else:
            self.read_frames(data)

    def _take_message(self, first: int, payload: bytes) -> None:
        """Pass on a message, still compressed: a refused one stays so."""
        if not first & RSV1:
            super()._take_message(first, payload)
            return
        if self._deadline:
            self._clear_deadline()
        inflate = self.inflate_text if first & 1 else self.inflate
        if self.on_frame and not self.read_paused:
            self.on_frame(payload, inflate)
        elif (message := inflate(payload, self.max_size)) is not None:
            self.hand_over(message)

    def hand_over(self, message: Frame) -> None:
        """Pass a message on, behind those that wait in the app's queue."""
        if self.on_frame and not self.read_paused:
            self.on_frame(message)
        else:
            super().hand_over(message)

    def inflate(self, data: bytes, max_size: int) -> bytes | None:
        """Inflate up to `max_size` bytes; close and return None if invalid."""
        try:
            inflater = zlib.decompressobj(wbits=-15)
            plain = inflater.decompress(data + FLUSH_TRAILER, max_size + 1)
        except zlib.error:
            self.fail_connection(1002, "This cannot be inflated.")
            return None
        self._inflated += len(plain) >> 10
        if len(plain) > max_size:
            return OversizedFrame(plain[:ID_SCAN_BYTES])
        return plain

    def inflate_text(self, data: bytes, max_size: int) -> Frame | None:
        """Inflate text, likewise."""
        plain = self.inflate(data, max_size)
        return self.decode(plain) if type(plain) is bytes else plain

    # Outgoing

    def detach(self) -> None:
        """Write for this connection alone, not with the whole room."""
        if self.broadcaster:
            self.broadcaster.detach(self)

    def write(self, data: bytes) -> None:
        """Write at the end of the event-loop iteration, to this one alone."""
        self.detach()
        if not self.pending:
            self.batcher.add(self)
        self.pending.append(data)

    def flush(self) -> None:
        """Write what is pending."""
        self.detach()
        if self.pending:
            pending, self.pending = self.pending, []
            self.write_now(b"".join(pending))

    def write_frame(self, frame: Frame) -> bool:
        """Write a frame, as write() does; return False if it is large."""
        if len(frame) > MAX_DIRECT_SIZE:
            return False
        data = serialize(*encode_payload(frame))
        self.write(data)
        self.batcher.schedule(len(data))
        return True

    def write_now(self, data: bytes) -> None:
        """Write without waiting for the end of the iteration."""
        if self.is_open:
            self.transport.write(data)

    def write_shared(self, frame: SharedFrame) -> None:
        """Write a frame without a copy: all transports refer to its bytes."""
        self.flush()
        self.write_now(header(TEXT, len(frame.data)))
        self.write_now(frame.data)

    def pause_writing(self) -> None:
        """Leave a slow reader to its queue, which waits for it."""
        super().pause_writing()
        if self.connection and not self.close_sent:
            self.connection._wake_writer()

    async def send(self, message: Any) -> None:
        """Send by ASGI, behind what is pending."""
        self.flush()
        await super().send(message)

    # Closing: what is pending goes first

    def handle_close(self, event: Any) -> None:
        """Answer a close frame, behind what is pending."""
        self.flush()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """Close on a protocol error, behind what is pending."""
        self.flush()
        super().handle_parser_exception()

    def shutdown(self) -> None:
        """Close as the server stops, behind what is pending."""
        self.flush()
        super().shutdown()

    def close_now(self, code: int, reason: str) -> None:
        """Close at once, and drop what is pending."""
        self.detach()
        super().close_now(code, reason)
