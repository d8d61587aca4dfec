"""What waits to be sent to one connection, so that nobody else waits."""

import asyncio
import logging
import sys
from collections import OrderedDict
from collections.abc import Hashable

from starlette.websockets import WebSocket, WebSocketDisconnect

from . import reader
from .frames import Frame

MOST_WAITING = 512 * 1024
"""Bytes that may wait for one connection."""

PLACE = 100
"""Bytes that a place in the queue takes, however little is in it."""

LARGE = MOST_WAITING // 2
"""What a frame counts for at most: a long history is no slow reader."""

TOO_SLOW = 1013, "You were reading too slowly. Come back in a moment."
"""With what a reader that does not keep up is sent away."""

logger = logging.getLogger("party")


def weight(frame: Frame) -> int:
    """What a frame that waits counts for: the memory that it takes."""
    return PLACE + min(sys.getsizeof(frame), LARGE)


class Outbox:
    """The frames that wait for one connection, and a task that sends them.

    Made in the task that reads, which eviction ends; idle, it has a shortcut.
    """

    def __init__(self, id: str, websocket: WebSocket, name: str = "") -> None:
        self.id = id
        self.websocket = websocket
        self.name = name
        self.shortcut = reader.shortcut(websocket)
        self.evicted = False
        self.idle = True
        self._waiting: OrderedDict[Hashable, Frame] = OrderedDict()
        self._size = 0
        self._ending: tuple[int, str] | None = None
        self._listener = asyncio.current_task()
        self._writer: asyncio.Task[None] | None = None

    def put(self, frame: Frame, key: Hashable = None) -> None:
        """Queue a frame; never waits. One that waits under its key goes."""
        if self._ending:
            return
        slot = object() if key is None else key
        if slot in self._waiting:
            self._size -= weight(self._waiting[slot])
        self._size += weight(frame)
        self._waiting[slot] = frame
        self.watch()
        if self._size > MOST_WAITING:
            self._evict()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, once what is queued has been sent."""
        if not self._ending:
            self._ending = code, reason
            self.watch()

    def watch(self) -> None:
        """Look what is to do: wait for the reader, then send what waits."""
        self.idle = False
        if self.shortcut:
            self.shortcut.go_apart()
        if not self._writer or self._writer.done():
            self._writer = asyncio.create_task(self._send_all())

    async def closed(self) -> None:
        """Wait until all that is queued is sent, or never will be."""
        if self._writer:
            await asyncio.wait([self._writer])

    def stop(self) -> None:
        """Forget what is queued: nobody is there any more."""
        self._ending = self._ending or (1006, "")
        self._waiting.clear()
        if self._writer:
            self._writer.cancel()
            self._writer = None  # its error would lead back here

    async def _send_all(self) -> None:
        try:
            await reader.settle(self.websocket)
            while self._waiting:
                _, frame = self._waiting.popitem(last=False)
                self._size -= weight(frame)
                await reader.send(self.websocket, frame)
            if self._ending:
                await reader.close(self.websocket, *self._ending)
            self.idle = not self._ending
        except TimeoutError:
            self._evict()
        except (WebSocketDisconnect, RuntimeError):
            self.stop()
        except Exception:
            logger.exception("%s: a frame cannot be sent", self.name)
            self._hang_up(1011, "Something went wrong in here.")

    def _evict(self) -> None:
        logger.warning("%s: evicted, it does not keep up", self.name)
        self._hang_up(*TOO_SLOW)

    def _hang_up(self, code: int, reason: str) -> None:
        self.evicted = True
        self.stop()
        reader.hang_up(self.websocket, code, reason)
        if self._listener:
            self._listener.cancel()
