"""How fast a room takes what one connection sends."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from .encoding import LOOKED_AT, PING, PONG, Frame
from .errors import Refused
from .limits import Rate
from .message_rate_limiter import MessageLimit
from .rooms import Connection, Server

PATIENCE = 100
"""Seconds' worth that may be too much before the connection is closed."""

FLOODING = 1008, "You were sending too much. Come back in a moment."
"""With what somebody is sent away who goes on and on."""

CONTROL_BURST_SECONDS = 5
"""Seconds' worth of pings, pongs and partial frames to take at once."""

MAX_INFLATED_AT_ONCE = 32
"""Bytes of a compressed frame that may be a page's heartbeat."""

Unpack = Callable[[bytes, int], Frame | None]
"""Inflates a frame up to so many bytes; None: it has closed the connection."""

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
        max_size: int,
        pass_on: Callable[[Frame], object],
    ) -> None:
        self.sender = sender
        self.limit = limit
        self.max_size = max_size
        self.pass_on = pass_on
        self.own = server.frames_a_second
        most = self.own or limit.sender.a_second
        self.rate = Rate(most, most)
        self.patience = Rate(most, most * PATIENCE)
        self.is_flooded = False
        self._control = Rate(most, most * CONTROL_BURST_SECONDS)
        self._latest: tuple[Frame, Unpack | None] = "", None
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, frame: Frame) -> None:
        """Take a frame in; returns once there is time for the next one."""
        if not self.is_flooded:
            self.admit(frame)
        if self.is_flooded:
            await self.sender.closed()

    def admit(self, frame: Any, unpack: Unpack | None = None) -> None:
        """Pass a frame on, refuse it, or close the connection for flooding.

        A frame that came compressed is inflated by `unpack`, and only when it
        is passed on; to refuse it takes no more than its beginning.
        """
        if unpack and len(frame) <= MAX_INFLATED_AT_ONCE:
            frame, unpack = unpack(frame, self.max_size), None
        if frame == PING:
            if self.counts_frame():
                self.sender.send(PONG)
        elif self.own:
            self._admit_latest(frame, unpack)
        elif not (refusal := self.limit.refusal()):
            self._pass(frame, unpack)
        elif self.patience.allows():
            start = unpack(frame, LOOKED_AT) if unpack else frame
            if start is not None:
                why, seconds = refusal
                self.sender.send(Refused(why, id_in(start), seconds).frame)
        else:
            self._dismiss()

    def counts_frame(self) -> bool:
        """Count a frame that is no message: whether it is within the rate."""
        if self._control.allows():
            return True
        if not self.patience.allows():
            self._dismiss()
        return False

    def close(self) -> None:
        """Pass nothing on any more."""
        if self._timer:
            self._timer.cancel()

    def _admit_latest(self, frame: Frame, unpack: Unpack | None) -> None:
        if not self._timer and self.rate.allows():
            self._pass(frame, unpack)
        elif self.patience.allows():
            self._latest = frame, unpack
            self._timer = self._timer or self._pass_soon(1 / self.rate.a_second)
        else:
            self._dismiss()

    def _pass(self, frame: Any, unpack: Unpack | None) -> None:
        if unpack:
            frame = unpack(frame, self.max_size)
        if frame is not None:
            self.pass_on(frame)

    def _dismiss(self) -> None:
        """Close the connection, and read nothing of it any more."""
        if not self.is_flooded:
            self.is_flooded = True
            self.sender.dismiss(*FLOODING)

    def _pass_soon(self, seconds: float) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, self._pass_latest, seconds)

    def _pass_latest(self, seconds: float) -> None:
        if self.rate.allows():
            self._timer = None
            self._pass(*self._latest)
        else:
            self._timer = self._pass_soon(seconds)


def id_in(frame: Frame) -> str | None:
    """The id of a message that there is no time to read, if it is in sight."""
    start = frame[:LOOKED_AT]
    text = start if isinstance(start, str) else start.decode(errors="replace")
    found = ID.search(text)
    return found[1] if found else None
