"""What a party takes from outside, unless its class says otherwise."""

from collections.abc import Collection


class Limits:
    """What a subclass of Server may set."""

    rooms: Collection[str] | None = None
    """The ids of the only rooms there are; None: any id makes a room."""

    largest_frame = 64 * 1024
    """Bytes of a frame; a larger one is refused."""

    frames_a_second: float | None = None
    """Frames from one connection; what comes faster is dropped. None: all."""


class Rate:
    """A bucket that fills steadily, and of which each frame takes one."""

    def __init__(self, a_second: float | None, now: float) -> None:
        self.a_second = a_second
        self.left = a_second or 0.0
        self.last = now

    def allows(self, now: float) -> bool:
        """Whether one more is within the rate; `now` is in seconds."""
        if self.a_second is None:
            return True
        more = (now - self.last) * self.a_second
        self.left = min(self.a_second, self.left + more)
        self.last = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
