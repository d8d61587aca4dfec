"""One WebSocket in one room, and the queue of the frames it is sent."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine, Hashable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from . import backpressure
from .backlog import Account, Backlog
from .encoding import Frame, encode
from .errors import MessageRejected

SLOW_CONSUMER = 1013, "You were reading too slowly. Come back in a moment."
"""The close code and reason of a client that does not keep up."""

INTERNAL_ERROR = 1011, "Something went wrong in here."
"""The close code and reason after a frame could not be sent."""

logger = logging.getLogger("party")


class Connection:
    """One WebSocket in one room; `id` names it there.

    A frame is written at once while the client keeps up. Otherwise it waits
    in a bounded queue, which a task of its own sends: a slow client delays
    nobody else, and is evicted when its queue is full.
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
        self._name = name
        self._direct = backpressure.direct_socket(websocket)
        self._is_evicted = False
        self._is_idle = True
        self._account = Account(backlog or Backlog(), websocket, self._abort)
        self._queue: OrderedDict[Hashable, Frame] = OrderedDict()
        self._close_frame: tuple[int, str] | None = None
        self._unfinished: Awaitable[None] | None = None
        # The task that receives, which eviction cancels.
        self._receiver = asyncio.current_task()
        self._writer: asyncio.Task[None] | None = None

    def send(self, message: object) -> None:
        """Send a message to this connection alone; never waits.

        Text and bytes are sent as they are, a dict or a pydantic model as
        JSON.
        """
        frame = encode(message)
        direct = self._direct
        if not (direct and self._is_idle and direct.write_frame(frame)):
            self._enqueue(frame)

    def report(self, error: Exception) -> None:
        """Send a MessageRejected to the client; log any other error."""
        if isinstance(error, MessageRejected):
            self.send(error.frame)
        else:
            logger.error("%s: a frame failed", self._name, exc_info=error)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, once what is queued has been sent."""
        if not self._close_frame:
            self._close_frame = code, reason
            if (
                not self._is_idle
                or self._direct
                or self._run_now(self.websocket.close(code, reason))
            ):
                self._wake_writer()

    def _enqueue(self, frame: Frame, key: Hashable = None) -> None:
        """Queue a frame; it replaces one that waits under the same key."""
        if self._close_frame:
            return
        if self._is_idle and not self._direct:
            if self._run_now(backpressure.send_frame(self.websocket, frame)):
                self._account.begin(frame)
                self._wake_writer()
            return
        slot = object() if key is None else key
        if slot in self._queue:
            # At the end, as a frame that came in between may be older.
            self._account.remove(self._queue.pop(slot))
        self._queue[slot] = frame
        self._wake_writer()
        self._account.add(frame)
        if self._account.is_over(self._queue):
            self._evict()

    def _stop_reading(self) -> None:
        """Parse nothing any more of what the client sends."""
        if control := backpressure.socket_control(self.websocket):
            control.stop_reading()

    def _wake_writer(self) -> None:
        """Start the task that waits for the client and empties the queue."""
        self._is_idle = False
        if self._direct:
            self._direct.detach()
        if not self._writer or self._writer.done():
            self._writer = asyncio.create_task(self._send_queue())

    async def _wait_sent(self) -> None:
        """Wait until all that is queued is sent, or dropped."""
        if self._writer:
            await asyncio.wait([self._writer])

    def _stop(self) -> None:
        """Drop the queue: the peer is gone."""
        self._close_frame = self._close_frame or (1006, "")
        for frame in self._queue.values():
            self._account.remove(frame)
        self._queue.clear()
        self._account.close()
        if self._writer:
            self._writer.cancel()
            self._writer = None  # a cycle: its exception's traceback

    def _run_now(self, sending: Coroutine[Any, Any, None]) -> bool:
        """Send without a task, which would cost more than the frame.

        Return whether the client does not keep up, and a task has to wait.
        """
        try:
            self._unfinished = backpressure.start_coroutine(sending)
        except (WebSocketDisconnect, RuntimeError):
            self._stop()
            return False
        except Exception:
            self._fail()
            return False
        return bool(self._unfinished or backpressure.congested(self.websocket))

    async def _send_queue(self) -> None:
        try:
            if unfinished := self._unfinished:
                self._unfinished = None
                await backpressure.send_in_time(unfinished)
            await self._account.drain()
            while self._queue:
                _, frame = self._queue.popitem(last=False)
                await self._account.send(frame)
            if self._close_frame:
                await backpressure.close(self.websocket, *self._close_frame)
            self._is_idle = not self._close_frame
        except TimeoutError:
            self._evict()
        except (WebSocketDisconnect, RuntimeError):
            self._stop()
        except Exception:
            self._fail()

    def _fail(self) -> None:
        logger.exception("%s: a frame cannot be sent", self._name)
        self._abort(INTERNAL_ERROR)

    def _evict(self) -> None:
        self._account.warn("%s: evicted, it does not keep up", self._name)
        self._abort()

    def _abort(self, close_frame: tuple[int, str] = SLOW_CONSUMER) -> None:
        self._is_evicted = True
        self._account.abort(*close_frame)
        self._stop()
        if self._receiver:
            self._receiver.cancel()
