"""What a room remembers, kept by the process and not by the room."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, overload
from uuid import uuid4

from pydantic import BaseModel

from .errors import Refused, Repeated


class Entry(BaseModel):
    """What a log keeps: subclass it, and add what there is to remember."""

    id: str = ""
    """Names the entry; a log keeps each name once. Empty: it has none."""

    place: int | None = None
    """Where in the log it stands, from 0; set by the log."""


M = TypeVar("M", bound=Entry)


class Log(Sequence[M], Generic[M]):
    """An append-only log that reads like a list, in the order of places.

    `epoch` names this memory: a log that started empty has a new one.
    """

    def __init__(self, epoch: str, model: type[M]) -> None:
        self.epoch = epoch
        self.model = model
        self._next = 0
        self._entries: list[M] = []
        self._named: dict[str, M] = {}

    async def append(self, entry: M) -> None:
        """Keep an entry, and set its `place`.

        An entry appended again, the same object, was finished meanwhile: it
        keeps the place that it took first. Another entry under its id is
        `Repeated` if it says the same, and `Refused` if it does not. So is
        one that was begun before the log was cleared.
        """
        earlier = self._named.get(entry.id)
        if earlier is None:
            if entry.place is not None:
                raise Refused("This room was cleared meanwhile.", entry.id)
            entry.place = self._next
            self._entries.append(entry)
            if entry.id:
                self._named[entry.id] = entry
        elif earlier is not entry:
            self._refuse(entry, earlier)
        self._next += 1

    async def clear(self) -> None:
        """Forget all entries: a new epoch begins, in which places go on."""
        self._entries.clear()
        self._named.clear()
        self.epoch = uuid4().hex

    def _refuse(self, entry: M, earlier: M) -> None:
        same = earlier.model_dump(exclude={"place"})
        if entry.model_dump(exclude={"place"}) == same:
            raise Repeated(entry.id, earlier.place or 0)
        raise Refused("Another message has this id already.", entry.id)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)


class Store:
    """The logs of all rooms, in memory: they last as long as the process."""

    def __init__(self) -> None:
        self.epoch = uuid4().hex
        self._logs: dict[tuple[str, str], Log[Any]] = {}

    def log(self, party: str, room: str, model: type[M]) -> Log[M]:
        """The log of a room, made when it is first asked for."""
        made = Log[M](self.epoch, model)
        return self._logs.setdefault((party, room), made)

    def logs(self, model: type[M]) -> dict[tuple[str, str], Log[M]]:
        """The logs of such entries, by their parties and rooms."""
        return {
            place: log
            for place, log in self._logs.items()
            if issubclass(log.model, model)
        }
