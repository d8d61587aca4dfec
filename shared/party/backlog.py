"""The memory that queued frames take, in all rooms of a process."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from math import inf
from typing import Any
from weakref import WeakMethod, WeakSet

from starlette.websockets import WebSocket

from . import backpressure
from .encoding import Frame, SharedFrame

MAX_QUEUED_BYTES = 256 * 1024 * 1024
"""Bytes that may be queued in a process, by default."""

MAX_CONNECTION_BYTES = 512 * 1024
"""Bytes that may be queued for a connection, behind the next frame."""

ENTRY_OVERHEAD = 100
"""Bytes that an entry of a queue takes, beside its frame."""

TARGET_USAGE = 0.9
"""The part of the bound that may be used after the slowest were evicted."""

ABORT_SECONDS = 2.5
"""Seconds in which an evicted client may still read the close frame."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines about evictions of one kind."""

logger = logging.getLogger("party")


def queued_size(frame: Frame) -> int:
    """Return the bytes that a frame takes in one connection's queue."""
    if isinstance(frame, SharedFrame):
        return ENTRY_OVERHEAD
    return ENTRY_OVERHEAD + sys.getsizeof(frame)


class Backlog:
    """The size of all queues, within a bound.

    A frame that is queued for many, such as a broadcast or a history, is held
    once and counts once. A transport's write buffer holds a copy, or shares
    the frame: its connection counts the copy. Buffers below the transport's
    high-water mark (64 KB) do not count: their clients keep up.
    """

    def __init__(self, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.accounts: WeakSet[Account] = WeakSet()
        self._holders: dict[int, int] = {}
        self._evicted: dict[backpressure.SocketControl, int] = {}
        self._evicted_bytes = 0
        self._logged: dict[str, float] = {}

    def hold(self, frame: Frame) -> None:
        """Count a frame that is queued for one more connection."""
        self.bytes += ENTRY_OVERHEAD
        if holders := self._holders.get(id(frame)):
            self._holders[id(frame)] = holders + 1
        else:
            self._holders[id(frame)] = 1
            self.bytes += sys.getsizeof(frame)

    def release(self, frame: Frame) -> None:
        """Stop counting a frame that was sent to a connection, or dropped."""
        self.bytes -= ENTRY_OVERHEAD
        if others := self._holders[id(frame)] - 1:
            self._holders[id(frame)] = others
        else:
            del self._holders[id(frame)]
            self.bytes -= sys.getsizeof(frame)

    def shed(self) -> None:
        """Abort evicted connections, and evict the slowest, to free memory."""
        for control in list(self._evicted):
            control.abort()
            self._remove_evicted(control)
        evicted = 0
        counted = [each for each in self.accounts if each.is_counted]
        for account in sorted(counted, key=Account.drain_rate):
            if self.bytes <= self.max_bytes * TARGET_USAGE:
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
        """Whether more is queued than the bound."""
        return self.bytes + self._evicted_bytes > self.max_bytes

    def add_evicted(
        self, control: backpressure.SocketControl, unread: int
    ) -> None:
        """Count the write buffer of an evicted connection for a while."""
        if control not in self._evicted:
            self._evicted[control] = unread
            self._evicted_bytes += unread
            loop = asyncio.get_running_loop()
            loop.call_later(ABORT_SECONDS, self._remove_evicted, control)

    def _remove_evicted(self, control: backpressure.SocketControl) -> None:
        self._evicted_bytes -= self._evicted.pop(control, 0)

    def warn(self, text: str, *details: object) -> None:
        """Log an eviction; the same text at most once a minute."""
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(text, -LOG_INTERVAL) >= LOG_INTERVAL:
            self._logged[text] = now
            logger.warning(text, *details)


class Account:
    """One connection's part of the backlog: its queue and write buffer."""

    def __init__(
        self, backlog: Backlog, websocket: WebSocket, evict: Callable[[], None]
    ) -> None:
        self._backlog = backlog
        self._websocket = websocket
        self.evict = WeakMethod(evict)
        self.warn = backlog.warn
        backlog.accounts.add(self)
        self.queued = 0
        self._sending: Frame | None = None
        self._unread = 0
        self._full_since = 0.0, 0  # the time, and the bytes unread then

    def add(self, frame: Frame) -> None:
        """Count a frame that is queued."""
        backlog = self._backlog
        self.queued += queued_size(frame)
        backlog.hold(frame)
        if backlog.is_over:
            backlog.shed()

    def is_over(self, queue: Mapping[Any, Frame]) -> bool:
        """Return whether too much is queued behind the next frame.

        The next frame may have any size: one frame makes no slow client.
        """
        if self.queued <= MAX_CONNECTION_BYTES:
            return False
        following = next(iter(queue.values()))
        return self.queued - queued_size(following) > MAX_CONNECTION_BYTES

    def remove(self, frame: Frame) -> None:
        """Stop counting a frame that will not be sent."""
        self.queued -= queued_size(frame)
        self._backlog.release(frame)

    async def send(self, frame: Frame) -> None:
        """Send a frame from the queue, and wait until it is mostly read."""
        self.queued -= queued_size(frame)
        self._sending = frame
        sending = backpressure.send_frame(self._websocket, frame)
        await backpressure.send_in_time(sending)
        if backpressure.congested(self._websocket):
            await self.drain()
        else:
            self.close()

    def begin(self, frame: Frame) -> None:
        """Count a frame that was sent past the queue, and is not read yet."""
        self._backlog.hold(frame)
        self._sending = frame

    async def drain(self) -> None:
        """Wait until the write buffer is drained; it counts meanwhile."""
        if control := backpressure.congested(self._websocket):
            unread = control.buffered_bytes()
            self._unread = self._copied(unread)
            self._full_since = asyncio.get_running_loop().time(), unread
            self._backlog.bytes += self._unread
            if self._backlog.is_over:
                self._backlog.shed()
            await backpressure.drain(control, unread)
        self.close()

    def _copied(self, unread: int) -> int:
        """Return the bytes of memory that the write buffer takes.

        It keeps all of a frame until the last of it is written.
        """
        if not isinstance(self._sending, SharedFrame):
            return max(unread, sys.getsizeof(self._sending or b""))
        shared = len(self._sending.data)
        if backpressure.direct_socket(self._websocket):
            return max(0, unread - shared)
        return max(unread, shared)

    def abort(self, code: int, reason: str) -> None:
        """Close without waiting for the client, where the server can.

        The write buffer counts until the connection is aborted.
        """
        if control := backpressure.socket_control(self._websocket):
            control.close_now(code, reason)
            unread = max(self._unread, control.buffered_bytes())
            self._backlog.add_evicted(control, unread)

    def close(self) -> None:
        """Stop counting what was sent."""
        if self._sending is not None:
            self._backlog.release(self._sending)
            self._sending = None
        if self._unread:
            self._backlog.bytes -= self._unread
            self._unread = 0

    @property
    def is_counted(self) -> bool:
        """Whether anything of the connection counts now."""
        return bool(self.queued or self._unread or self._sending is not None)

    def drain_rate(self) -> tuple[float, float]:
        """Return a sort key: the slowest first, and of those the earliest.

        The rate is in bytes per second, since the write buffer became full.
        """
        control = backpressure.congested(self._websocket)
        if control is None:
            return inf, -self.queued
        since, unread = self._full_since
        elapsed = asyncio.get_running_loop().time() - since
        return max(0, unread - control.buffered_bytes()) / (
            elapsed + 1
        ), -elapsed
