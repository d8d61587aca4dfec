"""What waits to be sent to one connection, so that nobody else waits."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Hashable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from . import backpressure as reader
from .backlog import Account, Backlog
from .encoding import Frame

TOO_SLOW = 1013, "You were reading too slowly. Come back in a moment."
"""With what a reader that does not keep up is sent away."""

logger = logging.getLogger("party")


class Outbox:
    """The frames that wait for one connection, and a task that sends them.

    Made in the task that reads, which eviction ends; idle, it has a shortcut.
    """

    def __init__(
        self,
        id: str,
        websocket: WebSocket,
        name: str = "",
        backlog: Backlog | None = None,
    ) -> None:
        self.id = id
        self.websocket = websocket
        self.name = name
        self.shortcut = reader.shortcut(websocket)
        self.evicted = False
        self.idle = True
        self._account = Account(backlog or Backlog(), websocket, self._hang_up)
        self._waiting: OrderedDict[Hashable, Frame] = OrderedDict()
        self._ending: tuple[int, str] | None = None
        self._begun: Awaitable[None] | None = None
        self._listener = asyncio.current_task()
        self._writer: asyncio.Task[None] | None = None

    def put(self, frame: Frame, key: Hashable = None) -> None:
        """Queue a frame; never waits. One that waits under its key goes."""
        if self._ending:
            return
        if self.idle and not self.shortcut:
            if self._run_now(reader.send_frame(self.websocket, frame)):
                self._account.begin(frame)
                self.watch()
            return
        slot = object() if key is None else key
        if slot in self._waiting:
            self._account.remove(self._waiting[slot])
        self._waiting[slot] = frame
        self.watch()
        self._account.add(frame)
        if self._account.is_over(self._waiting):
            self._evict()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, once what is queued has been sent."""
        if not self._ending:
            self._ending = code, reason
            if (
                not self.idle
                or self.shortcut
                or self._run_now(self.websocket.close(code, reason))
            ):
                self.watch()

    def dismiss(self, code: int, reason: str) -> None:
        """Close the connection as well, and read nothing of it any more."""
        if line := reader.line_of(self.websocket):
            line.stop_reading()
        self.close(code, reason)

    def watch(self) -> None:
        """Look what is to do: wait for the reader, then send what waits."""
        self.idle = False
        if self.shortcut:
            self.shortcut.detach()
        if not self._writer or self._writer.done():
            self._writer = asyncio.create_task(self._send_all())

    async def closed(self) -> None:
        """Wait until all that is queued is sent, or never will be."""
        if self._writer:
            await asyncio.wait([self._writer])

    def stop(self) -> None:
        """Forget what is queued: nobody is there any more."""
        self._ending = self._ending or (1006, "")
        for frame in self._waiting.values():
            self._account.remove(frame)
        self._waiting.clear()
        self._account.close()
        if self._writer:
            self._writer.cancel()
            self._writer = None  # its error would lead back here

    def _run_now(self, sending: Coroutine[Any, Any, None]) -> bool:
        """Send to a reader that keeps up, without a task, which costs more.

        Returns whether it does not keep up any more.
        """
        try:
            self._begun = reader.begin(sending)
        except (WebSocketDisconnect, RuntimeError):
            self.stop()
            return False
        except Exception:
            self._fail()
            return False
        return bool(self._begun or reader.congested(self.websocket))

    async def _send_all(self) -> None:
        try:
            if begun := self._begun:
                self._begun = None
                await reader.in_time(begun)
            await self._account.settle()
            while self._waiting:
                _, frame = self._waiting.popitem(last=False)
                await self._account.send(frame)
            if self._ending:
                await reader.close(self.websocket, *self._ending)
            self.idle = not self._ending
        except TimeoutError:
            self._evict()
        except (WebSocketDisconnect, RuntimeError):
            self.stop()
        except Exception:
            self._fail()

    def _fail(self) -> None:
        logger.exception("%s: a frame cannot be sent", self.name)
        self._hang_up((1011, "Something went wrong in here."))

    def _evict(self) -> None:
        self._account.warn("%s: evicted, it does not keep up", self.name)
        self._hang_up()

    def _hang_up(self, how: tuple[int, str] = TOO_SLOW) -> None:
        self.evicted = True
        self._account.hang_up(*how)
        self.stop()
        if self._listener:
            self._listener.cancel()
