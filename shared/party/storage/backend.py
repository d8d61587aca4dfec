"""The interface of storage backends, and the records that they store."""

from asyncio import Future
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

RoomKey: TypeAlias = tuple[str, str]
"""A party and the id of a room."""

LogKey: TypeAlias = tuple[str, str, str]
"""A party, the id of a room, and the name of a log."""


class Record(NamedTuple):
    """An entry as a backend stores it.

    An update is a record of its own, at the next `seq`; its `first` is the
    `seq` of the entry. An empty `entry` says that the log was cleared here.
    """

    seq: int
    first: int
    id: str
    entry: str
    """JSON, without `id` and `seq`."""


class LogSnapshot(NamedTuple):
    """The newest entries of a stored log, and its position."""

    records: list[Record]
    next_seq: int
    start: int


class AppendResult(NamedTuple):
    """The reasons why nothing was appended; without any, all of it was."""

    missed: Sequence[Record] = ()
    """Records that another process wrote at or after the expected `seq`."""

    duplicates: Sequence[Record] = ()
    """The newest records of ids that are in the log already."""


class StorageError(Exception):
    """The backend cannot read or write now; nothing was changed."""


def resolve_future(done: Future[Any], result: object = None) -> None:
    """Set the result that a task waits for, or raise it if it is an error."""
    if done.done():
        return  # nobody waits any more
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)


class Backend(Protocol):
    """A store of records that outlives the process; several may share it.

    `epoch` is drawn when the store is created. All but `open` raise
    StorageError. One call at a time is made for a log that is written to.
    """

    epoch: str
    status_line: str

    async def open(self) -> None:
        """Connect; raises ValueError if there can be no store."""

    async def close(self) -> None:
        """Complete the pending calls, and disconnect."""

    async def load(self, room: RoomKey, count: int) -> dict[str, LogSnapshot]:
        """Return the logs of a room by name, `count` entries of each."""

    async def append(
        self, log: LogKey, records: Sequence[Record]
    ) -> AppendResult:
        """Append all records, or none if the first `seq` is not the next.

        A record whose `first` is its `seq` is new: its id must be unused.
        """

    async def update(self, changes: Sequence[tuple[LogKey, Record]]) -> None:
        """Overwrite the entries of records in place: no news to others."""

    async def clear(self, log: LogKey) -> int:
        """Remove all records; return the `seq` that this has taken."""

    async def read(self, log: LogKey, before: int, count: int) -> list[Record]:
        """Return the newest entries before a `seq`, oldest first."""

    async def poll(
        self, positions: Mapping[LogKey, int]
    ) -> dict[LogKey, list[Record]]:
        """Return the records at or after each log's next `seq`.

        They may include records that this process is about to write.
        """

    async def list_rooms(self, count: int) -> list[RoomKey]:
        """Return up to `count` rooms that have logs."""
