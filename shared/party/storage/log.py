"""An append-only log of a room, and its entries."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import ClassVar, Generic, Self, TypeVar, overload

from pydantic import BaseModel

from ..encoding import EncodedJSON
from ..errors import DuplicateMessage, MessageRejected

MAIN = "main"
"""The name of a room's log, where it has only one."""

MAX_OLD_IDS = 100_000
"""Ids of evicted entries that a log in memory keeps from being reused.

It keeps up to twice as many, as it drops them in bulk.
"""


class Entry(BaseModel):
    """The base class of what a log holds; a subclass adds fields."""

    id: str = ""
    """Unique in the log; the empty string stands for no id."""

    seq: int | None = None
    """The sequence number in the log, from 0; set by the log."""

    is_retried: ClassVar[bool] = False
    """Whether a failed write is retried in the background, not refused.

    Such an entry needs an id, so that it is stored once.
    """

    @property
    def is_open(self) -> bool:
        """Override: return whether the entry still grows."""
        return False

    def accumulate(self, previous: Self | None) -> None:
        """Override to compute a running total just before it is stored.

        `previous` is the newest entry of the log, whichever process wrote it.
        """

    def on_load(self) -> None:
        """Override to correct an entry that a crashed process left behind."""

    def to_frame(self) -> object:
        """Override: return the frame for a room that has missed this entry."""


M = TypeVar("M", bound=Entry)


class Log(Sequence[M], Generic[M]):
    """An append-only log: its newest entries read like a list, by `seq`.

    This class keeps them in memory; a StoredLog writes them to a Backend too.
    `epoch` identifies the log's content: it is new for a log that started
    empty or was cleared. `start` is the first sequence number since then, and
    `next_seq` the one of the next entry. `revision` counts the changes, and
    `snapshot` caches a frame that was encoded for one of them.
    """

    max_old_ids = MAX_OLD_IDS

    def __init__(self, epoch: str, model: type[M], max_entries: int) -> None:
        self._store_epoch = self.epoch = epoch
        self.model = model
        self.max_entries = max_entries
        self.start = self.next_seq = 0
        self.revision = 0
        self.snapshot: tuple[object, EncodedJSON] | None = None
        self._entries: list[M] = []
        self._by_id: dict[str, M] = {}
        # By hash of the id: the digest and the seq of an evicted entry.
        self._old: dict[int, tuple[int, int]] = {}
        self._older = self._old

    @property
    def is_busy(self) -> bool:
        """Whether entries wait to be written."""
        return False

    async def append(self, entry: M) -> None:
        """Add an entry, and set its `seq`.

        Raises DuplicateMessage for an entry whose id is in the log with the
        same content, and MessageRejected if its content is another.
        """
        if earlier := self._find(entry.id):
            raise id_conflict(entry, *earlier)
        entry.accumulate(self._entries[-1] if self._entries else None)
        entry.seq = self.next_seq
        self._add(entry)
        self.next_seq += 1

    async def update(self, entry: M) -> None:
        """Store the new state of an entry that was appended.

        It is the same object, or another one with the same id, and keeps the
        `seq` of the first. The change itself takes a sequence number too.
        Raises MessageRejected if the entry is not in the log, or no longer.
        """
        self._locate(entry)
        self._replace(entry)
        self.next_seq += 1

    async def clear(self) -> None:
        """Remove all entries, and begin a new epoch; `seq` goes on."""
        self._reset(self.next_seq)

    async def before(self, seq: int, count: int) -> list[M]:
        """Return up to `count` entries before a `seq`, oldest first."""
        end = self._index(seq)
        return self._entries[max(0, end - count) : end]

    def _locate(self, entry: M) -> None:
        """Set the `seq` of an entry whose id is in the log."""
        if entry.seq is None:
            if not (earlier := self._find(entry.id)):
                raise MessageRejected("There is no such message.", entry.id)
            entry.seq = earlier[1]
        if (entry.seq or 0) < self.start:
            raise MessageRejected("This room was cleared meanwhile.", entry.id)

    def _index(self, seq: int) -> int:
        return bisect_left(self._entries, seq, key=lambda e: e.seq or 0)

    def _add(self, entry: M) -> None:
        """Add an entry at the end; evict the oldest if there are too many."""
        self.revision += 1
        self._entries.append(entry)
        if entry.id:
            self._by_id[entry.id] = entry
        # In bulk: to delete the first of a list moves all the others.
        excess = len(self._entries) - self.max_entries
        if excess > self.max_entries // 100:
            self._evict(self._entries[:excess])
            del self._entries[:excess]

    def _replace(self, entry: M) -> None:
        """Put an entry in the place of its earlier state, if not evicted."""
        at = self._index(entry.seq or 0)
        if at < len(self) and self[at].seq == entry.seq:
            self._entries[at] = entry
            if entry.id:
                self._by_id[entry.id] = entry
            self.revision += 1

    def _evict(self, entries: list[M]) -> None:
        """Keep nothing but the ids of entries."""
        for old in entries:
            self._by_id.pop(old.id, None)
            if old.id and self.max_old_ids:
                self._old[hash(old.id)] = digest(old), old.seq or 0
        if len(self._old) > self.max_old_ids:
            self._older, self._old = self._old, {}

    def _find(self, id: str) -> tuple[int, int] | None:
        """Return the digest and the `seq` of the entry with an id."""
        if entry := self._by_id.get(id):
            return digest(entry), entry.seq or 0
        key = hash(id)
        return self._old.get(key) or self._older.get(key)

    def _reset(self, seq: int) -> None:
        """Be empty, as after a clear that took this sequence number."""
        self.revision += 1
        self._entries.clear()
        self._by_id.clear()
        self._older = self._old = {}
        self.epoch = f"{self._store_epoch}-{seq}"
        self.start = self.next_seq = seq + 1

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)


def id_conflict(entry: Entry, earlier: int, seq: int) -> MessageRejected:
    """Return the error for an entry whose id is in the log already.

    `earlier` is the digest of the entry there, and `seq` its number.
    """
    if digest(entry.model_copy(update={"seq": seq})) == earlier:
        return DuplicateMessage(entry.id, seq)
    return MessageRejected("Another message has this id already.", entry.id)


def digest(entry: Entry) -> int:
    """Return a hash of an entry's fields; its key is this process's own."""
    values = tuple(entry.__dict__.values())
    try:
        return hash(values)
    except TypeError:  # a list is among them
        return hash(repr(values))
