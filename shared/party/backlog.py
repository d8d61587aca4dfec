"""The frames that wait for slow readers, in all rooms of a process."""

import asyncio
import logging
import sys
from collections.abc import Callable
from weakref import WeakMethod

from starlette.websockets import WebSocket

from . import reader
from .frames import Frame, SharedFrame

MAX_QUEUED_BYTES = 256 * 1024 * 1024
"""Bytes that may wait in a process, unless a setting says otherwise."""

MAX_CONNECTION_BYTES = 512 * 1024
"""Bytes that may wait for one connection, behind the frame that is next."""

REFERENCE_BYTES = 100
"""Bytes that a place in a queue takes, however small the frame is."""

RELIEF = 0.9
"""The part of the bound that may be left once the slowest were evicted."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines about evictions of one kind."""

logger = logging.getLogger("party")


def weight(frame: Frame) -> int:
    """Return the bytes that a frame takes in a queue; a shared one no more."""
    shared = isinstance(frame, SharedFrame)
    return REFERENCE_BYTES + (0 if shared else sys.getsizeof(frame))


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
        self.accounts: dict[Account, None] = {}
        self._holders: dict[int, int] = {}
        self._logged: dict[str, float] = {}

    def hold(self, frame: Frame) -> None:
        """Count a frame that begins to wait for one more connection."""
        holders = self._holders.get(id(frame), 0)
        self._holders[id(frame)] = holders + 1
        self.bytes += REFERENCE_BYTES
        if not holders:
            self.bytes += sys.getsizeof(frame)

    def release(self, frame: Frame) -> None:
        """Count a frame no more that one connection has got, or never will."""
        holders = self._holders.pop(id(frame)) - 1
        self.bytes -= REFERENCE_BYTES
        if holders:
            self._holders[id(frame)] = holders
        else:
            self.bytes -= sys.getsizeof(frame)

    def check(self) -> None:
        """Evict the slowest readers, if too much waits."""
        if self.bytes <= self.max_bytes:
            return
        evicted = 0
        for account in sorted(self.accounts, key=Account.pace):
            if self.bytes <= self.max_bytes * RELIEF:
                break
            if evict := account.evict():
                evict()
                evicted += 1
        self.warn(
            "more than MAX_QUEUED_BYTES=%d waited for slow readers: "
            "the slowest %d were evicted",
            self.max_bytes,
            evicted,
        )

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
        self.queued = 0
        self._sending: Frame | None = None
        self._unread = 0
        self._started = 0.0, 0  # the time, and the bytes unread by then

    def add(self, frame: Frame) -> None:
        """Count a frame that is queued."""
        self.queued += weight(frame)
        self.backlog.accounts[self] = None
        self.backlog.hold(frame)
        self.backlog.check()

    def is_over(self, following: Frame) -> bool:
        """Whether too much is queued behind the frame that is next.

        That one may be of any size: it makes no slow reader by itself.
        """
        return self.queued - weight(following) > MAX_CONNECTION_BYTES

    def remove(self, frame: Frame) -> None:
        """Count a frame no more that will not be sent."""
        self.queued -= weight(frame)
        self.backlog.release(frame)

    async def send(self, frame: Frame) -> None:
        """Send a frame from the queue, and wait until much of it is read."""
        self.queued -= weight(frame)
        self._sending = frame
        self._started = asyncio.get_running_loop().time(), 0
        await reader.send(self.websocket, frame)
        await self.settle()

    async def settle(self) -> None:
        """Wait until much is read; what is in the write buffer counts."""
        if line := reader.congested(self.websocket):
            copied = unread = line.unread()
            shortcut = reader.shortcut(self.websocket)
            if shortcut and isinstance(self._sending, SharedFrame):
                copied -= len(self._sending.data)
            self._unread = max(0, copied)
            self._started = asyncio.get_running_loop().time(), unread
            self.backlog.bytes += self._unread
            self.backlog.accounts[self] = None
            self.backlog.check()
            await reader.settle(line, unread)
        self.close()

    def close(self) -> None:
        """Count nothing any more of what was sent."""
        if self._sending is not None:
            self.backlog.release(self._sending)
            self._sending = None
        self.backlog.bytes -= self._unread
        self._unread = 0
        if not self.queued:
            self.backlog.accounts.pop(self, None)

    def pace(self) -> tuple[float, float]:
        """Return the bytes a second that it takes, and since when, negated."""
        since, unread = self._started
        elapsed = asyncio.get_running_loop().time() - since
        line = reader.congested(self.websocket)
        taken = unread - line.unread() if line else unread
        return max(0, taken) / (elapsed + 1), -elapsed
