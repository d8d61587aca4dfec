"""What waits to be sent to one connection, so that nobody else waits."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable

from starlette.websockets import WebSocket, WebSocketDisconnect

from .frames import Frame

MOST_WAITING = 512 * 1024
"""Characters or bytes that may wait for one connection."""

LARGE = MOST_WAITING // 2
"""What a frame counts for at most: a long history is no slow reader."""

PATIENCE = 4.0
"""Seconds that a reader may take for one frame."""

TOO_SLOW = 1013, "You were reading too slowly. Come back in a moment."
"""With what a reader that does not keep up is sent away."""

logger = logging.getLogger("party")


def weight(frame: Frame) -> int:
    """What a frame that waits counts for."""
    return min(len(frame), LARGE)


class Outbox:
    """The frames that wait for one connection, and the task that sends them.

    Made in the task that reads from the connection, which eviction ends.
    """

    def __init__(self, id: str, websocket: WebSocket, name: str = "") -> None:
        self.id = id
        self.websocket = websocket
        self.name = name
        self.evicted = False
        self._waiting: OrderedDict[Hashable, Frame] = OrderedDict()
        self._size = 0
        self._ending: tuple[int, str] | None = None
        self._news = asyncio.Event()
        self._reader = asyncio.current_task()
        self._writer = asyncio.create_task(self._send_all())

    def put(self, frame: Frame, key: Hashable = None) -> None:
        """Queue a frame; never waits. One that waits under its key goes."""
        if self._ending:
            return
        slot = object() if key is None else key
        self._size += weight(frame) - weight(self._waiting.get(slot, ""))
        self._waiting[slot] = frame
        self._news.set()
        if self._size > MOST_WAITING:
            self._evict()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, once what is queued has been sent."""
        self._ending = self._ending or (code, reason)
        self._news.set()

    async def closed(self) -> None:
        """Wait until all that is queued is sent, or never will be."""
        await asyncio.wait([self._writer])

    def stop(self) -> None:
        """Forget what is queued: nobody is there any more."""
        self._ending = self._ending or (1006, "")
        self._waiting.clear()
        self._writer.cancel()

    async def _send_all(self) -> None:
        try:
            while not self._ending or self._waiting:
                await self._news.wait()
                self._news.clear()
                await self._send_waiting()
            async with asyncio.timeout(PATIENCE):
                await self.websocket.close(*self._ending)
        except TimeoutError:
            self._evict()
        except (WebSocketDisconnect, RuntimeError):
            self.stop()
        except Exception:
            logger.exception("%s: a frame cannot be sent", self.name)
            self._hang_up(1011, "Something went wrong in here.")

    async def _send_waiting(self) -> None:
        while self._waiting:
            _, frame = self._waiting.popitem(last=False)
            self._size -= weight(frame)
            async with asyncio.timeout(PATIENCE):
                if isinstance(frame, str):
                    await self.websocket.send_text(frame)
                else:
                    await self.websocket.send_bytes(frame)

    def _evict(self) -> None:
        logger.warning("%s: evicted, it does not keep up", self.name)
        self._hang_up(*TOO_SLOW)

    def _hang_up(self, code: int, reason: str) -> None:
        self.evicted = True
        self.stop()
        # Only our own server can close without waiting for the reader.
        extensions = self.websocket.scope.get("extensions", {})
        if "party.hang_up" in extensions:
            extensions["party.hang_up"](code, reason)
        if self._reader:
            self._reader.cancel()
