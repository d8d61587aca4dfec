"""Batch the writes of one event-loop iteration: one system call a socket."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakKeyDictionary

MAX_BATCH_BYTES = 64 * 1024
"""Bytes after which a batch is written before the iteration ends."""

logger = logging.getLogger("party")


class Flushable(Protocol):
    """An object with something to write when the iteration ends."""

    def flush(self) -> None:
        """Write it."""


class WriteBatcher:
    """The writers of one event loop's current iteration."""

    def __init__(self) -> None:
        self._writers: list[Flushable] = []
        self._size = 0
        self._is_scheduled = False

    def add(self, writer: Flushable) -> None:
        """Flush a writer once, when the batch is written."""
        self._writers.append(writer)

    def schedule(self, size: int) -> None:
        """Count `size` bytes that were added, and schedule the flush."""
        self._size += size
        if self._size > MAX_BATCH_BYTES:
            self.flush()
        elif not self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._flush_scheduled)
            self._is_scheduled = True

    def flush(self) -> None:
        """Write it all now."""
        writers, self._writers, self._size = self._writers, [], 0
        for writer in writers:
            try:
                writer.flush()
            except Exception:
                logger.exception("a batch of frames could not be written")

    def _flush_scheduled(self) -> None:
        self._is_scheduled = False
        self.flush()


batchers: WeakKeyDictionary[asyncio.AbstractEventLoop, WriteBatcher] = (
    WeakKeyDictionary()
)


def get_write_batcher(loop: asyncio.AbstractEventLoop) -> WriteBatcher:
    """Return the write batcher of an event loop, of which each has one."""
    if loop not in batchers:
        batchers[loop] = WriteBatcher()
    return batchers[loop]
