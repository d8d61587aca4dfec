"""The frames that wait for slow readers, in all rooms of a process."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from math import inf
from typing import Any
from weakref import WeakMethod, WeakSet

from starlette.websockets import WebSocket

from . import backpressure as reader
from .encoding import Frame, SharedFrame

MAX_QUEUED_BYTES = 256 * 1024 * 1024
"""Bytes that may wait in a process, unless a setting says otherwise."""

MAX_CONNECTION_BYTES = 512 * 1024
"""Bytes that may wait for one connection, behind the frame that is next."""

REFERENCE_BYTES = 100
"""Bytes that a place in a queue takes, however small the frame is."""

RELIEF = 0.9
"""The part of the bound that may be left once the slowest were evicted."""

LEFT_SECONDS = 2.5
"""Seconds until an evicted reader is cut, who may still fetch the reason."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines about evictions of one kind."""

logger = logging.getLogger("party")


def weight(frame: Frame) -> int:
    """Return the bytes that a frame takes in a queue; a shared one no more."""
    if isinstance(frame, SharedFrame):
        return REFERENCE_BYTES
    return REFERENCE_BYTES + sys.getsizeof(frame)


class Backlog:
    """The sum of all queues, within a bound.

    A frame that waits for many, such as a broadcast or a history, is held
    once and counts once. A transport's write buffer holds a copy, or shares
    the frame: its connection counts the copy. Buffers below the transport's
    high-water mark (64 KB) do not count: their readers keep up.
    """

    def __init__(self, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.accounts: WeakSet[Account] = WeakSet()
        self._holders: dict[int, int] = {}
        self._left: dict[reader.Line, int] = {}
        self._left_bytes = 0
        self._logged: dict[str, float] = {}

    def hold(self, frame: Frame) -> None:
        """Count a frame that begins to wait for one more connection."""
        self.bytes += REFERENCE_BYTES
        if holders := self._holders.get(id(frame)):
            self._holders[id(frame)] = holders + 1
        else:
            self._holders[id(frame)] = 1
            self.bytes += sys.getsizeof(frame)

    def release(self, frame: Frame) -> None:
        """Count a frame no more that one connection has got, or never will."""
        self.bytes -= REFERENCE_BYTES
        if others := self._holders[id(frame)] - 1:
            self._holders[id(frame)] = others
        else:
            del self._holders[id(frame)]
            self.bytes -= sys.getsizeof(frame)

    def shed(self) -> None:
        """Cut evicted readers, and evict the slowest, as too much waits."""
        for line in list(self._left):
            line.abort()
            self.forget(line)
        evicted = 0
        waiting = [each for each in self.accounts if each.is_waiting]
        for account in sorted(waiting, key=Account.pace):
            if self.bytes <= self.max_bytes * RELIEF:
                break
            if evict := account.evict():
                evict()
                evicted += 1
        if evicted:
            self.warn(
                "more than MAX_QUEUED_BYTES=%d waited for slow readers: "
                "the slowest %d were evicted",
                self.max_bytes,
                evicted,
            )

    @property
    def is_over(self) -> bool:
        """Whether too much waits."""
        return self.bytes + self._left_bytes > self.max_bytes

    def leave(self, line: reader.Line, unread: int) -> None:
        """Count what an evicted reader has not read, until it is cut."""
        if line not in self._left:
            self._left[line] = unread
            self._left_bytes += unread
            loop = asyncio.get_running_loop()
            loop.call_later(LEFT_SECONDS, self.forget, line)

    def forget(self, line: reader.Line) -> None:
        """Count no more what an evicted reader had not read."""
        self._left_bytes -= self._left.pop(line, 0)

    def warn(self, text: str, *details: object) -> None:
        """Log an eviction: each kind at most once a minute."""
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(text, -LOG_INTERVAL) >= LOG_INTERVAL:
            self._logged[text] = now
            logger.warning(text, *details)


class Account:
    """One connection's part of the backlog: its queue, and what it is sent."""

    def __init__(
        self, backlog: Backlog, websocket: WebSocket, evict: Callable[[], None]
    ) -> None:
        self.backlog = backlog
        self.websocket = websocket
        self.evict = WeakMethod(evict)
        self.warn = backlog.warn
        backlog.accounts.add(self)
        self.queued = 0
        self._sending: Frame | None = None
        self._unread = 0
        self._started = 0.0, 0  # the time, and the bytes unread by then

    def add(self, frame: Frame) -> None:
        """Count a frame that is queued."""
        backlog = self.backlog
        self.queued += weight(frame)
        backlog.hold(frame)
        if backlog.is_over:
            backlog.shed()

    def is_over(self, waiting: Mapping[Any, Frame]) -> bool:
        """Whether too much is queued behind the frame that is next.

        That one may be of any size: it makes no slow reader by itself.
        """
        if self.queued <= MAX_CONNECTION_BYTES:
            return False
        following = next(iter(waiting.values()))
        return self.queued - weight(following) > MAX_CONNECTION_BYTES

    def remove(self, frame: Frame) -> None:
        """Count a frame no more that will not be sent."""
        self.queued -= weight(frame)
        self.backlog.release(frame)

    async def send(self, frame: Frame) -> None:
        """Send a frame from the queue, and wait until much of it is read."""
        self.queued -= weight(frame)
        self._sending = frame
        await reader.in_time(reader.send_frame(self.websocket, frame))
        if reader.congested(self.websocket):
            await self.settle()
        else:
            self.close()

    def begin(self, frame: Frame) -> None:
        """Count a frame that was sent past the queue, and is not read yet."""
        self.backlog.hold(frame)
        self._sending = frame

    async def settle(self) -> None:
        """Wait until much is read; what is in the write buffer counts."""
        if line := reader.congested(self.websocket):
            unread = line.buffered_bytes()
            self._unread = self._copied(unread)
            self._started = asyncio.get_running_loop().time(), unread
            self.backlog.bytes += self._unread
            if self.backlog.is_over:
                self.backlog.shed()
            await reader.settle(line, unread)
        self.close()

    def _copied(self, unread: int) -> int:
        """Return the bytes that a write buffer takes, of which some are read.

        It keeps all of a frame until the last of it is read.
        """
        if not isinstance(self._sending, SharedFrame):
            return max(unread, sys.getsizeof(self._sending or b""))
        shared = len(self._sending.data)
        if reader.shortcut(self.websocket):
            return max(0, unread - shared)
        return max(unread, shared)

    def hang_up(self, code: int, reason: str) -> None:
        """Close the connection; its write buffer counts until it is cut."""
        reader.hang_up(self.websocket, code, reason)
        if line := reader.line_of(self.websocket):
            self.backlog.leave(line, max(self._unread, line.buffered_bytes()))

    def close(self) -> None:
        """Count nothing any more of what was sent."""
        if self._sending is not None:
            self.backlog.release(self._sending)
            self._sending = None
        if self._unread:
            self.backlog.bytes -= self._unread
            self._unread = 0

    @property
    def is_waiting(self) -> bool:
        """Whether anything of it counts now."""
        return bool(self.queued or self._unread or self._sending is not None)

    def pace(self) -> tuple[float, float]:
        """Return a sort key: the slowest first, and of those the earliest.

        That is the bytes a second that are taken from a full write buffer.
        """
        line = reader.congested(self.websocket)
        if line is None:
            return inf, -self.queued
        since, unread = self._started
        elapsed = asyncio.get_running_loop().time() - since
        return max(0, unread - line.buffered_bytes()) / (elapsed + 1), -elapsed
