"""Parse a client's WebSocket frames, bounded in size, time, rate and work.

uvicorn's protocol gathers whatever comes, up to one large limit, and parses
all of it at once. Here a message is gathered up to the limit of its party, has
to be complete in time, and one connection gets one portion of each event-loop
iteration. Close frames are left to uvicorn.
"""

from asyncio import TimerHandle
from typing import Any

from websockets.frames import Opcode

from ..encoding import ID_SCAN_BYTES, OversizedFrame
from .frame_codec import (
    BINARY,
    CLOSE,
    FIN,
    MASKED,
    PING,
    PONG,
    RSV1,
    TEXT,
    unmask,
)
from .websocket_protocol import WebSocketProtocol

MESSAGE_TIMEOUT = 20.0
"""Seconds from the first byte of a message to its last."""

FRAMES_PER_ITERATION = 64
"""Frames that one connection may have parsed in one event-loop iteration.

Each KiB counts like a frame more.
"""

MAX_REFUSED_BYTES = 2 * 1024 * 1024
"""Bytes of a message that is refused in words; a larger one ends its socket."""

COMPRESSION_OVERHEAD = 64
"""Bytes that a compressed message may have more than its content."""

MESSAGE_TIMED_OUT = 1008, "A message has to be complete within 20 seconds."
MESSAGE_TOO_BIG = 1009, "This frame is far too large."


class BoundedProtocol(WebSocketProtocol):
    """Reads frames; the WebSocket protocol without the fast transport."""

    message_types = frozenset({TEXT, BINARY})
    """First bytes of frames that are a whole message each."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.buffer = b""
        """Bytes that are not parsed yet."""
        self._inflated = 0
        self.first = 0
        """First byte of the message that is incomplete; 0: there is none."""
        self._size = 0
        self._parts = bytearray()
        self._to_skip = 0
        self._is_last = False
        self._deadline: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what leads back here."""
        self.stop_reading()
        self.limiter = None
        super().connection_lost(exc)

    def stop_reading(self) -> None:
        """Drop what comes from now on, and what was gathered."""
        self.buffer, self._parts = b"", bytearray()
        self._clear_deadline()
        super().stop_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what comes, or keep it while there is more to parse."""
        if self.is_ignored:
            return
        if self.buffer:
            data, self.buffer = self.buffer + data, b""
        if self._has_more:
            self.buffer = data
            self.transport.pause_reading()
        else:
            self.read_frames(data)

    def read_frames(self, data: bytes) -> None:
        """Parse frames, as many as one event-loop iteration may take."""
        at, size, budget, self._inflated = 0, len(data), FRAMES_PER_ITERATION, 0
        is_between = not (self.first or self._to_skip or self.close_sent)
        while at < size and budget > self._inflated and not self.is_ignored:
            begin = at
            if is_between and size - at > 7 and data[at] in self.message_types:
                # Most frames are complete, short, and all of a message.
                length, mask = data[at + 1] - MASKED, at + 2
                if length == 126:
                    length, mask = data[at + 2] << 8 | data[at + 3], at + 4
                end = mask + 4 + length
                is_short = 0 <= length <= self.max_size and data[at + 1] < 255
                if is_short and end <= size:
                    self._take_message(data[at], unmask(data, mask, end))
                    at = end
                    budget -= 1 + (length >> 10)
                    is_between = not self.close_sent
                    continue
            at = self._read_frame(data, at)
            if at == begin:
                break
            budget -= 1 + (at - begin >> 10)
            is_between = not (self.first or self._to_skip or self.close_sent)
        if self._deadline or at < size or not is_between:
            self._keep(data[at:], budget <= self._inflated)

    def _keep(self, rest: bytes, has_more: bool) -> None:
        """Keep what is left: for more to come, or for the next iteration."""
        if self._is_over():
            return
        self.buffer = rest
        self._has_more = bool(rest) and has_more
        if self._has_more:
            self.transport.pause_reading()
            if not self.read_paused:
                self.loop.call_soon(self._read_on)
        elif not (rest or self.first):
            self._clear_deadline()
        elif not self._deadline:
            self._deadline = self.loop.call_later(MESSAGE_TIMEOUT, self._expire)

    def _is_over(self) -> bool:
        return self.is_ignored or self.transport.is_closing()

    def _read_on(self) -> None:
        """Go on with what was left for another event-loop iteration."""
        self._has_more = False
        if self._is_over():
            return
        data, self.buffer = self.buffer, b""
        self.read_frames(data)
        if not (self._has_more or self.read_paused or self.is_ignored):
            self.transport.resume_reading()

    def _read_frame(self, data: bytes, at: int) -> int:
        """Parse a frame; return where the next begins, `at` if not yet."""
        have = len(data) - at
        if self._to_skip:
            skipped = min(have, self._to_skip)
            self._to_skip -= skipped
            if not self._to_skip:
                self._end_fragment()
            return at + skipped
        if have < 2:
            return at
        first, length, mask = data[at], data[at + 1] - MASKED, at + 2
        if length < 0:
            self.fail_connection(1002, "A frame has to be masked.")
            return at
        if length > 125:
            mask = at + (4 if length == 126 else 10)
            if len(data) < mask:
                return at
            length = int.from_bytes(data[at + 2 : mask])
        end = mask + 4 + length
        if self.close_sent and first != CLOSE:
            self._to_skip = end - mask
            return mask
        if first & 8:
            if first not in (CLOSE, PING, PONG) or length > 125:
                self.fail_connection(1002, "This is no control frame.")
            elif end <= len(data):
                if not self.first:
                    self._clear_deadline()
                self.on_control_frame(first, data[at:end])
                return end
            return at
        opcode = first & ~FIN
        if (
            opcode != Opcode.CONT
            if self.first
            else opcode | FIN not in self.message_types
        ):
            self.fail_connection(1002, "This is no frame, or not the next one.")
            return at
        size, kept = self._size + length, end
        if size > self._limit(self.first or first):
            if size > max(MAX_REFUSED_BYTES, self.max_size):
                self.fail_connection(*MESSAGE_TOO_BIG)
                return at
            # Keep only the beginning, which holds the id of the message.
            del self._parts[ID_SCAN_BYTES:]
            kept = mask + 4 + min(length, ID_SCAN_BYTES - len(self._parts))
        if len(data) < kept:
            return at
        self._parts += unmask(data, mask, kept)
        self.first = self.first or first
        self._size, self._is_last = size, bool(first & FIN)
        self._to_skip = end - kept
        if not self._to_skip:
            self._end_fragment()
        return kept

    def _limit(self, first: int) -> int:
        return self.max_size + (COMPRESSION_OVERHEAD if first & RSV1 else 0)

    def _end_fragment(self) -> None:
        """Take a frame that was gathered: one of several, or the last."""
        if self.close_sent or not self.first:
            return
        if not self._is_last:
            if self.limiter:
                self.limiter.admit_control()
            return
        first, payload = self.first | FIN, bytes(self._parts)
        is_oversized = self._size > self._limit(first)
        self.first = self._size = 0
        self._parts = bytearray()
        if is_oversized:
            self._clear_deadline()
            self.hand_over(OversizedFrame(payload))
        else:
            self._take_message(first, payload)

    def _take_message(self, first: int, payload: bytes) -> None:
        """Hand over a complete message, by its first byte and its payload."""
        if self._deadline:
            self._clear_deadline()
        message = self.decode(payload) if first & 1 else payload
        if message is not None:
            self.hand_over(message)

    def _expire(self) -> None:
        self._deadline = None
        self.fail_connection(*MESSAGE_TIMED_OUT)

    def _clear_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
