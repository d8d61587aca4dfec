"""Limit the rate of the frames that one connection sends."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from .connection import Connection
from .encoding import HEARTBEAT, HEARTBEAT_REPLY, ID_SCAN_BYTES, Frame
from .errors import MessageRejected
from .limits import TokenBucket
from .message_rate_limiter import MessageRateLimiter
from .server import Server

MAX_EXCESS_SECONDS = 100
"""Seconds' worth of excess frames until the connection is closed."""

EXCESS_FACTOR = 3
"""Times the rate that is tolerated in excess, as of a 360 Hz display."""

RATE_EXCEEDED = 1008, "You were sending too much. Come back in a moment."
"""The close code and reason of a connection that sends far too much."""

CONTROL_BURST_SECONDS = 5
"""Seconds' worth of pings, pongs and partial frames to take at once."""

MAX_INFLATED_AT_ONCE = 32
"""Bytes of a compressed frame that may be a page's heartbeat."""

Inflate = Callable[[bytes, int], Frame | None]
"""Inflates a frame up to so many bytes; None: it has closed the connection."""

ID = re.compile(r'"id"\s?:\s?"([^"\\]{1,64})"')


class ConnectionRateLimiter:
    """Hand a connection's frames to its room, within their rate.

    Messages beyond the limit are rejected, one by one. If the party sets a
    rate of its own, excess frames replace each other instead, and the latest
    is handed over once the rate allows it.
    """

    def __init__(
        self,
        server: Server,
        sender: Connection,
        messages: MessageRateLimiter,
        max_bytes: int,
        on_frame: Callable[[Frame], object],
    ) -> None:
        self.max_bytes = max_bytes
        self._sender = sender
        self._messages = messages
        self._on_frame = on_frame
        self._keeps_latest = bool(server.max_frames_per_second)
        rate = server.max_frames_per_second or messages.sender.rate
        self._bucket = TokenBucket(rate, rate)
        factor = EXCESS_FACTOR if self._keeps_latest else 1
        self._excess = TokenBucket(rate * factor, rate * MAX_EXCESS_SECONDS)
        self._control = TokenBucket(rate, rate * CONTROL_BURST_SECONDS)
        self._is_exceeded = False
        self._latest: tuple[Frame, Inflate | None] = "", None
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, frame: Frame) -> None:
        """Admit a frame; returns when the next one may be received."""
        if not self._is_exceeded:
            self.admit(frame)
        if self._is_exceeded:
            await self._sender._wait_sent()

    def admit(self, frame: Any, inflate: Inflate | None = None) -> None:
        """Hand a frame over, reject it, or close the connection.

        A compressed frame is inflated by `inflate` when it is handed over; to
        reject it takes only its beginning.
        """
        if inflate and len(frame) <= MAX_INFLATED_AT_ONCE:
            frame, inflate = inflate(frame, self.max_bytes), None
        if frame == HEARTBEAT:
            if self.admit_control():
                self._sender.send(HEARTBEAT_REPLY)
        elif self._keeps_latest:
            self._admit_latest(frame, inflate)
        elif not (refusal := self._messages.consume()):
            self._hand_over(frame, inflate)
        elif self._excess.try_consume():
            start = inflate(frame, ID_SCAN_BYTES) if inflate else frame
            if start is not None:
                reason, seconds = refusal
                error = MessageRejected(reason, find_id(start), seconds)
                self._sender.send(error.frame)
        else:
            self._close_connection()

    def admit_control(self) -> bool:
        """Count a frame that is no message; return whether to handle it."""
        if self._control.try_consume():
            return True
        if not self._excess.try_consume():
            self._close_connection()
        return False

    def close(self) -> None:
        """Stop handing frames over."""
        if self._timer:
            self._timer.cancel()

    def _admit_latest(self, frame: Frame, inflate: Inflate | None) -> None:
        if not self._timer and self._bucket.try_consume():
            self._hand_over(frame, inflate)
        elif self._excess.try_consume():
            self._latest = frame, inflate
            if not self._timer:
                self._timer = self._hand_over_later()
        else:
            self._close_connection()

    def _hand_over(self, frame: Any, inflate: Inflate | None) -> None:
        if inflate:
            frame = inflate(frame, self.max_bytes)
        if frame is not None:
            self._on_frame(frame)

    def _close_connection(self) -> None:
        if not self._is_exceeded:
            self._is_exceeded = True
            self._sender._stop_reading()
            self._sender.close(*RATE_EXCEEDED)

    def _hand_over_later(self) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(1 / self._bucket.rate, self._hand_over_latest)

    def _hand_over_latest(self) -> None:
        if self._bucket.try_consume():
            self._timer = None
            self._hand_over(*self._latest)
        else:
            self._timer = self._hand_over_later()


def find_id(frame: Frame) -> str | None:
    """Return the id of a message by its first bytes, without parsing it."""
    start = frame[:ID_SCAN_BYTES]
    text = start if isinstance(start, str) else start.decode(errors="replace")
    found = ID.search(text)
    return found[1] if found else None
