"""How much is taken from outside, so that one cannot hurt all others."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from .backlog import MAX_QUEUED_BYTES

logger = logging.getLogger("party")

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of a request's header section, of pages and handshakes alike."""

MAX_HEADERS = 100
"""Headers of a request."""

MAX_TARGET_BYTES = 8 * 1024
"""Bytes of a request's address, with its query."""


@dataclass(frozen=True)
class Bounds:
    """What holds for a whole app; `.env.example` documents each."""

    max_frame_bytes: int = 65_536
    max_messages_per_second: int = 10
    max_room_messages_per_second: int = 200
    max_connections_per_room: int = 2_000
    max_rooms: int = 1_000
    max_new_rooms_per_minute: int = 600
    max_queued_bytes: int = MAX_QUEUED_BYTES


class Limits:
    """What a subclass of Server may set for itself."""

    rooms: Collection[str] | None = None
    """The ids of the only rooms there are; None: any id makes a room."""

    max_frame_bytes: int | None = None
    """Bytes of a frame; a larger one is refused. None: as in the whole app."""

    frames_a_second: float | None = None
    """Frames from one connection; of what comes faster, the latest is kept.

    None: the messages a second of the whole app; what is beyond is refused.
    """

    def __init_subclass__(cls) -> None:
        """Find slips of the pen that nothing else would tell of."""
        super().__init_subclass__()
        name, rooms = cls.__name__, cls.rooms
        if isinstance(rooms, str):
            raise TypeError(f'{name}.rooms is to be a list, as in ["{rooms}"]')
        hooks = {each for base in cls.__mro__[1:] for each in vars(base)}
        for own in vars(cls).keys() - hooks:
            for hook in get_close_matches(own, hooks, 1, 0.8):
                if hook.startswith("on_"):
                    logger.warning("%s.%s: the hook is %s", name, own, hook)


class Rate:
    """A bucket that fills steadily, and from which each thing takes one."""

    def __init__(
        self, a_second: float, most: float, left: float | None = None
    ) -> None:
        self.a_second = a_second
        self.most = max(most, 1.0)
        self.half = self.most / 2
        self.left = self.most if left is None else min(left, self.most)
        self.last = time.monotonic()

    def allows(self, reserve: float = 0.0, now: float = 0.0) -> bool:
        """Whether one more is within the rate; if so, it is taken.

        At least `reserve` tokens stay in the bucket, for others.
        """
        now = now or time.monotonic()
        left = self.left + (now - self.last) * self.a_second
        if left > self.most:
            left = self.most
        self.last = now
        if left < 1 + reserve:
            self.left = left
            return False
        self.left = left - 1
        return True
