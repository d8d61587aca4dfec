"""What a room remembers, kept by the process and not by the room."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar, overload
from uuid import uuid4

from ..encoding import EncodedJSON
from ..errors import MessageRejected
from .entry import Entry, cleared, conflict, conflict_with, digest

M = TypeVar("M", bound=Entry)

MAX_OLD_IDS = 100_000
"""Entries that a log no longer has, and whose ids nobody else may take.

Up to twice as many are remembered, as they are forgotten all at once.
"""


class Log(Sequence[M], Generic[M]):
    """An append-only log: its newest entries read like a list, by seq.

    `epoch` names this memory: a log that started empty has a new one. Its
    seqs begin with `start`. `revision` counts the changes of what it has at
    hand; `snapshot` keeps a frame that was made of that, and for what.
    """

    max_old_ids = MAX_OLD_IDS

    def __init__(self, epoch: str, model: type[M], most: int) -> None:
        self.epoch = epoch
        self.model = model
        self.most = most
        self.start = self._next = 0
        self.revision = 0
        self.snapshot: tuple[object, EncodedJSON] | None = None
        self._entries: list[M] = []
        self._named: dict[str, M] = {}
        # By hashes of ids: hashes of the entries, and their seqs.
        self._old: dict[int, tuple[int, int]] = {}
        self._older = self._old

    async def append(self, entry: M) -> None:
        """Add an entry, and set its `seq`.

        Raises DuplicateMessage for an entry whose id is in the log with the
        same content, and MessageRejected if its content is another.
        """
        if earlier := self._named.get(entry.id):
            raise conflict(entry, earlier)
        if old := self._find_old(hash(entry.id)):
            raise conflict_with(entry, *old)
        entry.follow(self._entries[-1] if self._entries else None)
        entry.seq = self._next
        self.hold(entry)
        self._next += 1

    async def update(self, entry: M) -> None:
        """Store the new state of an entry that was appended.

        It is the same object, or another one with the same id, and keeps the
        `seq` of the first. The change itself takes a sequence number too.
        Raises MessageRejected if the entry is not in the log, or no longer.
        """
        self._locate(entry)
        self.replace(entry)
        self._next += 1

    def _locate(self, entry: M) -> None:
        """Set the `seq` of an entry that is in the log under its id."""
        if entry.seq is None:
            if earlier := self._named.get(entry.id):
                entry.seq = earlier.seq
            elif old := self._find_old(hash(entry.id)):
                entry.seq = old[1]
            else:
                raise MessageRejected("There is no such message.", entry.id)
        if (entry.seq or 0) < self.start:
            raise cleared(entry)

    def replace(self, entry: M) -> None:
        """Have an entry at hand as it is now, if its seq is at hand."""
        seq = entry.seq or 0
        at = bisect_left(self._entries, seq, key=lambda e: e.seq or 0)
        if at < len(self) and self[at].seq == seq:
            self._entries[at] = entry
            if entry.id:
                self._named[entry.id] = entry
            self.revision += 1

    async def clear(self) -> None:
        """Forget all entries: a new epoch begins, in which seqs go on."""
        self.forget(uuid4().hex, self._next)

    async def before(self, seq: int, count: int) -> list[M]:
        """Up to `count` entries before a seq, the oldest first."""
        end = bisect_left(self._entries, seq, key=lambda e: e.seq or 0)
        return self._entries[max(0, end - count) : end]

    def hold(self, entry: M) -> None:
        """Have it at hand, and the oldest no longer, if there are too many."""
        self.revision += 1
        self._entries.append(entry)
        if entry.id:
            self._named[entry.id] = entry
        # To forget each by itself would move all the others each time.
        more = len(self._entries) - self.most
        if more > self.most // 100:
            self._evict(self._entries[:more])
            del self._entries[:more]

    def _evict(self, entries: list[M]) -> None:
        """Keep the ids of entries, and no more of them."""
        if self.max_old_ids:
            for old in entries:
                if old.id:
                    self._old[hash(old.id)] = digest(old), old.seq or 0
        for old in entries:
            self._named.pop(old.id, None)
        if len(self._old) > self.max_old_ids:
            self._older, self._old = self._old, {}

    def _find_old(self, key: int) -> tuple[int, int] | None:
        return self._old.get(key) or self._older.get(key)

    def forget(self, epoch: str, start: int) -> None:
        """Begin a new epoch, with nothing in it."""
        self.revision += 1
        self._entries.clear()
        self._named.clear()
        self._older = self._old = {}
        self.epoch, self.start = epoch, start

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)
