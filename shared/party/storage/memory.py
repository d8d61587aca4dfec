"""The logs of all rooms, wherever they are kept."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

from .entry import Entry
from .log import Log

M = TypeVar("M", bound=Entry)
Key: TypeAlias = tuple[str, str]

MOST = 10_000
"""Entries of a log that the process remembers."""


class Store:
    """Keeps logs in memory: they last as long as the process."""

    note = ""
    """What a person may want to know of it."""

    def __init__(self, most: int = MOST) -> None:
        self.epoch = uuid4().hex
        self.most = most
        # Called when another process kept an entry, or, None, cleared all.
        self.tell: Callable[[Key, Entry | None], None] = lambda *_: None
        self._logs: dict[Key, Log[Any]] = {}

    async def start(self) -> None:
        """Get ready to keep logs."""

    async def stop(self) -> None:
        """Let go of what is needed for that."""

    async def load(self, party: str, room: str) -> None:
        """Get ready to give out the log of a room."""

    async def asleep(self, most: int) -> list[Key]:
        """Rooms, `most` at most, whose logs are kept and not at hand."""
        return []

    def log(self, party: str, room: str, model: type[M]) -> Log[M]:
        """The log of a room, made when it is first asked for."""
        made = Log[M](self.epoch, model, self.most)
        return self._logs.setdefault((party, room), made)

    def logs(self, model: type[M]) -> dict[Key, Log[M]]:
        """The logs of such entries, by their parties and rooms."""
        return {
            place: log
            for place, log in self._logs.items()
            if issubclass(log.model, model)
        }

    def release(self, party: str, room: str) -> None:
        """Forget the log of a room that is let go, if nothing is in it."""
        if not self._logs.get((party, room)):
            self._logs.pop((party, room), None)
