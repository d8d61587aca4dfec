"""Parse a client's WebSocket frames, bounded in size, time, rate and work.

uvicorn's protocol gathers whatever comes, up to one large limit, and parses
all of it at once. Here a message is gathered up to the limit of its party, has
to be complete in time, and one connection gets one portion of each event-loop
iteration. Close frames are left to uvicorn.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode, apply_mask  # type: ignore[attr-defined]

from ..encoding import LOOKED_AT, PING, PONG, Frame, Oversized
from ..frame_rate_limiter import Gate

MESSAGE_TIMEOUT = 20.0
"""Seconds from the first byte of a message to its last."""

FRAMES_PER_TURN = 64
"""Frames that one connection may have parsed in one event-loop iteration.

Each KiB counts like a frame more.
"""

MAX_REFUSED_BYTES = 2 * 1024 * 1024
"""Bytes of a message that is refused in words; a larger one ends its socket."""

COMPRESSION_OVERHEAD = 64
"""Bytes that a compressed message may have more than what is in it."""

FIN, RSV1, MASKED = 0x80, 0x40, 0x80
CLOSE = FIN | Opcode.CLOSE
CONTROL_PING, CONTROL_PONG = FIN | Opcode.PING, FIN | Opcode.PONG
TEXT, BINARY = FIN | Opcode.TEXT, FIN | Opcode.BINARY

NO_UTF8 = 1007, "Text must be UTF-8."
TOO_LATE = 1008, "A message has to be complete within 20 seconds."
TOO_BIG = 1009, "This frame is far too large."


def unmask(data: bytes, mask: int, end: int) -> bytes:
    """Return the payload of a client's frame, whose mask is at `mask`."""
    payload: bytes = apply_mask(data[mask + 4 : end], data[mask : mask + 4])
    return payload


class FrameReader(WebSocketsSansIOProtocol):
    """The receiving half of a connection."""

    gate: Gate | None = None
    """The rate limits of the connection, once it is in its room."""

    simple = frozenset({TEXT, BINARY})
    """First bytes of frames that are a whole message each."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.max_size = self.config.ws_max_size
        self.rest = b""
        """Bytes that are not parsed yet."""
        self.is_ignored = False
        self._has_more = False
        self._inflated = 0
        # The message whose frames are gathered; 0: there is none.
        self.first = 0
        self._size = 0
        self._parts = bytearray()
        self._to_skip = 0
        self._is_last = False
        self._deadline: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was gathered."""
        self.stop_reading()
        self.gate = None
        super().connection_lost(exc)

    def stop_reading(self) -> None:
        """Parse nothing any more: the connection is about to be closed."""
        self.is_ignored = True
        self.read_paused = False  # else uvicorn would resume when it closes
        self.rest, self._parts = b"", bytearray()
        self._clear_deadline()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what comes, or keep it while there is more to parse."""
        if self.is_ignored:
            return
        if self.rest:
            data, self.rest = self.rest + data, b""
        if self._has_more:
            self.rest = data
            self.transport.pause_reading()
        else:
            self.read_frames(data)

    def read_frames(self, data: bytes) -> None:
        """Parse frames, as many as one event-loop iteration may take."""
        at, size, budget, self._inflated = 0, len(data), FRAMES_PER_TURN, 0
        is_between = not (self.first or self._to_skip or self.close_sent)
        while at < size and budget > self._inflated and not self.is_ignored:
            begin = at
            if is_between and size - at > 7 and data[at] in self.simple:
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
        self.rest = rest
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
        """Go on with what was left for another loop iteration."""
        self._has_more = False
        if self._is_over():
            return
        rest, self.rest = self.rest, b""
        self.read_frames(rest)
        if not (self._has_more or self.read_paused or self.is_ignored):
            self.transport.resume_reading()

    def _read_frame(self, data: bytes, at: int) -> int:
        """Parse a frame at `at`: where the next begins, or `at` if not yet."""
        have = len(data) - at
        if self._to_skip:
            skipped = min(have, self._to_skip)
            self._to_skip -= skipped
            if not self._to_skip:
                self._end_part()
            return at + skipped
        if have < 2:
            return at
        first, length, mask = data[at], data[at + 1] - MASKED, at + 2
        if length < 0:
            self.refuse(1002, "A frame has to be masked.")
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
            if first not in (CLOSE, CONTROL_PING, CONTROL_PONG) or length > 125:
                self.refuse(1002, "This is no control frame.")
            elif end <= len(data):
                self._take_control_frame(first, data[at:end])
                return end
            return at
        if not self._may_begin(first):
            self.refuse(1002, "This is no frame, or not the next one.")
            return at
        size = self._size + length
        kept = end
        is_oversized = size > self._limit(self.first or first)
        if is_oversized:
            if size > max(MAX_REFUSED_BYTES, self.max_size):
                self.refuse(*TOO_BIG)
                return at
            # Of the rest, no more is kept than it takes to name it.
            del self._parts[LOOKED_AT:]
            kept = mask + 4 + min(length, LOOKED_AT - len(self._parts))
        if len(data) < kept:
            return at
        payload = unmask(data, mask, kept)
        self.first = self.first or first
        self._size, self._is_last = size, bool(first & FIN)
        self._parts += payload
        self._to_skip = end - kept
        if not self._to_skip:
            self._end_part()
        return kept

    def _may_begin(self, first: int) -> bool:
        """Whether a data frame may begin like that here."""
        kind = first & ~FIN
        return kind == Opcode.CONT if self.first else kind | FIN in self.simple

    def _limit(self, first: int) -> int:
        overhead = COMPRESSION_OVERHEAD if first & RSV1 else 0
        return self.max_size + overhead

    def _end_part(self) -> None:
        """Take a frame that was gathered: one of several, or the last."""
        if self.close_sent or not self.first:
            return
        if not self._is_last:
            if self.gate:
                self.gate.counts_frame()
            return
        first, payload = self.first | FIN, bytes(self._parts)
        is_oversized = self._size > self._limit(first)
        self.first = self._size = 0
        self._parts = bytearray()
        if is_oversized:
            self._clear_deadline()
            self.hand_over(Oversized(payload))
        else:
            self._take_message(first, payload)

    def _take_message(self, first: int, payload: bytes) -> None:
        """Take a complete message: how its first frame begins, and its data."""
        if self._deadline:
            self._clear_deadline()
        if first & 1:
            try:
                self.hand_over(payload.decode())
            except UnicodeDecodeError:
                self.refuse(*NO_UTF8)
        else:
            self.hand_over(payload)

    def hand_over(self, message: Frame) -> None:
        """Queue a message for the app, and read no more until it is taken.

        A page's heartbeat is answered here, as it would be by the gate.
        """
        if message == PING and self.gate:
            self._answer(TEXT, PONG.encode())
            return
        kind = "text" if isinstance(message, str) else "bytes"
        event: Any = {"type": "websocket.receive", kind: message}
        self.queue.put_nowait(event)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

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

    def _take_control_frame(self, first: int, frame: bytes) -> None:
        if not self.first:
            self._clear_deadline()
        if first == CLOSE:
            super().data_received(frame)
            self.is_ignored = True
            return
        payload = unmask(frame, 2, len(frame))
        if first == CONTROL_PING:
            self._answer(CONTROL_PONG, payload)
        else:
            self.handle_pong(WebSocketFrame(Opcode.PONG, payload))
            if self.gate:
                self.gate.counts_frame()

    def _answer(self, first: int, payload: bytes) -> None:
        """Answer a ping within the rate, unless answers pile up."""
        gate = self.gate
        is_due = gate.counts_frame() if gate else self.handshake_complete
        if is_due and self.writable.is_set():
            self.transport.write(bytes((first, len(payload))) + payload)

    def refuse(self, code: int, reason: str) -> None:
        """Close the connection of a client that sends what cannot be taken."""
        self.is_ignored = True
        if self.close_sent or self.transport.is_closing():
            self.transport.close()
        else:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _expire(self) -> None:
        self._deadline = None
        self.refuse(*TOO_LATE)

    def _clear_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
