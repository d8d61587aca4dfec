"""How fast a room takes what one connection sends."""

import asyncio
import re
from collections.abc import Callable

from .errors import Refused
from .frames import PING, PONG, Frame
from .limits import Rate
from .rooms import Connection, Server
from .senders import MessageLimit

PATIENCE = 100
"""Seconds' worth that may be too much before the connection is closed."""

FLOODING = 1008, "You were sending too much. Come back in a moment."
"""With what somebody is sent away who goes on and on."""

LOOKED_AT = 4_096
"""How much of a frame that comes too fast is looked at."""

ID = re.compile(r'"id"\s?:\s?"([^"\\]{1,64})"')


class Gate:
    """Passes a connection's frames on to its room, within their rate.

    Messages beyond the limit are refused in words, one by one; a party with a
    rate of its own is passed the latest instead, once there is time for it.
    """

    def __init__(
        self,
        server: Server,
        sender: Connection,
        limit: MessageLimit,
        pass_on: Callable[[Frame], object],
    ) -> None:
        self.sender = sender
        self.limit = limit
        self.pass_on = pass_on
        self.own = server.frames_a_second
        most = self.own or limit.sender.a_second
        self.rate = Rate(most, most)
        self.patience = Rate(most, most * PATIENCE)
        self._latest: Frame = ""
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, frame: Frame) -> None:
        """Take a frame in; returns once there is time for the next one."""
        if not self.takes(frame):
            self.sender.close(*FLOODING)
            await self.sender.closed()

    def takes(self, frame: Frame) -> bool:
        """Take a frame in, unless it is far too much."""
        if frame == PING:
            self.sender.send(PONG)
            return self.patience.allows()
        if self.own:
            return self._takes_latest(frame)
        if not (refusal := self.limit.refusal()):
            self.pass_on(frame)
        elif not self.patience.allows():
            return False
        else:
            why, seconds = refusal
            self.sender.send(Refused(why, id_in(frame), seconds).frame)
        return True

    def close(self) -> None:
        """Pass nothing on any more."""
        if self._timer:
            self._timer.cancel()

    def _takes_latest(self, frame: Frame) -> bool:
        if not self._timer and self.rate.allows():
            self.pass_on(frame)
        elif not self.patience.allows():
            return False
        else:
            self._latest = frame
            self._timer = self._timer or self._pass_soon(1 / self.rate.a_second)
        return True

    def _pass_soon(self, seconds: float) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, self._pass_latest, seconds)

    def _pass_latest(self, seconds: float) -> None:
        if self.rate.allows():
            self._timer = None
            self.pass_on(self._latest)
        else:
            self._timer = self._pass_soon(seconds)


def id_in(frame: Frame) -> str | None:
    """The id of a message that there is no time to read, if it is in sight."""
    start = frame[:LOOKED_AT]
    text = start if isinstance(start, str) else start.decode(errors="replace")
    found = ID.search(text)
    return found[1] if found else None
