"""A log whose entries are stored before anybody sees them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple

from pydantic import ValidationError

from ..errors import MessageRejected
from .backend import (
    Backend,
    LogKey,
    LogSnapshot,
    Record,
    StorageError,
    resolve_future,
)
from .log import Entry, Log, M, digest, id_conflict

CANNOT_STORE = "The server cannot store this now. Try again in a moment."

RETRY_DELAY = 1.0
"""Seconds until a write that must not be lost is tried again."""

MAX_BATCH = 500
"""Entries of one log that are appended at once."""

logger = logging.getLogger("party")


class Write(NamedTuple, Generic[M]):
    """An entry that waits to be written; None clears the log."""

    entry: M | None
    is_update: bool
    done: asyncio.Future[None]


class StoredLog(Log[M], Generic[M]):
    """A log that writes to a backend first.

    One batch is under way at a time; entries that come meanwhile are in the
    next one. A batch names the sequence number that it expects: where another
    process was faster, the log takes up what it missed and tries again.
    """

    max_old_ids = 0  # the backend has them all

    def __init__(
        self,
        backend: Backend,
        key: LogKey,
        model: type[M],
        max_entries: int,
        snapshot: LogSnapshot,
        on_external_change: Callable[[LogKey, Entry | None], None],
    ) -> None:
        super().__init__(backend.epoch, model, max_entries)
        self.backend = backend
        self.key = key
        self.on_external_change = on_external_change
        self.stopping = asyncio.Event()
        self.retries: set[asyncio.Task[None]] = set()
        self._pending: list[Write[M]] = []
        self._flushing: asyncio.Task[None] | None = None
        # By seq: entries that still grow, and their last stored text.
        self._open: dict[int, tuple[M, str]] = {}
        self._has_unreadable = False
        if snapshot.start:
            self._reset(snapshot.start - 1)
        for entry in self._parse_all(snapshot.records):
            self._add(entry)
        self.next_seq = snapshot.next_seq

    def __str__(self) -> str:
        return "/".join(self.key)

    @property
    def is_busy(self) -> bool:
        """Whether entries wait to be written."""
        return bool(self._pending or self._flushing or self.retries)

    async def append(self, entry: M) -> None:
        """Add an entry, as Log does.

        Raises MessageRejected if it cannot be stored now. One that
        `is_retried` is stored later instead.
        """
        await self._submit(entry)

    async def update(self, entry: M) -> None:
        """Store the new state of an entry, now or as soon as possible."""
        self._locate(entry)
        self._replace(entry)
        await self._submit(entry, is_update=True)

    async def clear(self) -> None:
        """Remove all entries; raises MessageRejected if that fails."""
        await self._submit(None)

    async def before(self, seq: int, count: int) -> list[M]:
        """Return up to `count` entries before a `seq`, oldest first."""
        found = await super().before(seq, count)
        if len(found) < count:
            with suppress(StorageError):  # then without those evicted
                records = await self.backend.read(self.key, seq, count)
                found = self._parse_all(records)
        return found

    async def _submit(self, entry: M | None, is_update: bool = False) -> None:
        write = Write(entry, is_update, asyncio.Future())
        self._pending.append(write)
        if not self._flushing:
            self._flushing = asyncio.create_task(self._flush())
        await write.done

    async def flush(self) -> None:
        """Wait until all submitted entries are written, or have failed."""
        if self._flushing:
            await asyncio.wait([self._flushing])
        if self.retries:
            await asyncio.wait(self.retries)

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch, records = self._next_batch()
                try:
                    if records:
                        await self._write(batch, records)
                    elif batch:
                        self._reset(await self.backend.clear(self.key))
                        resolve_future(batch[0].done)
                except StorageError:
                    for write in batch:
                        self._fail(write)
                except Exception as error:
                    logger.exception("%s: writing failed", self)
                    for write in batch:
                        resolve_future(write.done, error)
        finally:
            self._flushing = None

    def _next_batch(self) -> tuple[list[Write[M]], list[Record]]:
        """Take writes from the queue; refuse those that are in the log."""
        batch: list[Write[M]] = []
        records: list[Record] = []
        previous = self[-1] if self else None
        ids: set[str] = set()
        while self._pending and len(batch) < MAX_BATCH:
            write = self._pending[0]
            entry = write.entry
            if batch and (entry is None or entry.id in ids):
                break  # in a batch of its own
            del self._pending[0]
            if entry is None:
                return [write], []
            try:
                seq = self.next_seq + len(batch)
                if write.is_update:
                    self._locate(entry)
                    first = entry.seq or 0
                else:
                    if earlier := self._find(entry.id):
                        raise id_conflict(entry, *earlier)
                    entry.accumulate(previous)
                    first, previous = seq, entry
                records.append(Record(seq, first, entry.id, to_json(entry)))
            except Exception as error:
                resolve_future(write.done, error)
                continue
            batch.append(write)
            ids.add(entry.id or str(seq))
        return batch, records

    async def _write(
        self, batch: list[Write[M]], records: list[Record]
    ) -> None:
        result = await self.backend.append(self.key, records)
        if result.missed or result.duplicates:
            self.apply_external(result.missed)
            # Of entries that are not in memory; the next batch refuses them.
            self._old = {
                hash(each.id): (
                    digest(self._parse(each) or Entry()),
                    each.first,
                )
                for each in result.duplicates
            }
            self._pending[:0] = batch
            return
        for write, record in zip(batch, records, strict=True):
            if entry := write.entry:
                if not write.is_update:
                    entry.seq = record.seq
                    self._add(entry)
                if entry.is_open:
                    self._open[record.first] = entry, record.entry
            self.next_seq = record.seq + 1
            resolve_future(write.done)

    def _fail(self, write: Write[M]) -> None:
        """Refuse a write that failed, or retry it in the background."""
        entry = write.entry
        if entry and (write.is_update or entry.is_retried):
            if not self.stopping.is_set():
                task = asyncio.create_task(self._retry(entry, write.is_update))
                self.retries.add(task)
                task.add_done_callback(self.retries.discard)
            resolve_future(write.done)
        else:
            id = entry.id if entry else None
            resolve_future(write.done, MessageRejected(CANNOT_STORE, id))

    async def _retry(self, entry: M, is_update: bool) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), RETRY_DELAY)
        with suppress(MessageRejected):  # it is stored already, or was cleared
            await self._submit(entry, is_update)
            if not is_update and entry.seq is not None:
                self.on_external_change(self.key, entry)

    def grown(self) -> list[tuple[LogKey, Record]]:
        """Return the open entries that have grown since they were stored."""
        self._open = {
            seq: each for seq, each in self._open.items() if each[0].is_open
        }
        return [
            (self.key, Record(seq, seq, entry.id, text))
            for seq, (entry, stored) in self._open.items()
            if (text := to_json(entry)) != stored
        ]

    def note_stored(self, record: Record) -> None:
        """Remember the text of an open entry that is stored."""
        if each := self._open.get(record.seq):
            self._open[record.seq] = each[0], record.entry

    def apply_external(self, records: Sequence[Record]) -> None:
        """Apply records of another process, and notify the room."""
        for record in records:
            if record.seq < self.next_seq:
                continue  # known, or written by this process
            self.next_seq = record.seq + 1
            if not record.entry:
                self._reset(record.seq)
                self.on_external_change(self.key, None)
            elif entry := self._parse(record):
                if record.seq == record.first:
                    self._add(entry)
                else:
                    self._replace(entry)
                self.on_external_change(self.key, entry)

    def _parse(self, record: Record) -> M | None:
        """Return the entry of a record; None if this version cannot read it.

        A later version, which shares the store, may have written it.
        """
        try:
            entry = self.model.model_validate_json(record.entry)
        except ValidationError:
            if not self._has_unreadable:
                logger.warning("%s: skipped entries it cannot read", self)
            self._has_unreadable = True
            return None
        entry.id, entry.seq = record.id, record.first
        entry.on_load()
        return entry

    def _parse_all(self, records: list[Record]) -> list[M]:
        """Return the entries of records, without those it cannot read."""
        return [entry for each in records if (entry := self._parse(each))]


def to_json(entry: Entry) -> str:
    """Return an entry as a record has it."""
    return entry.model_dump_json(exclude={"id", "seq"}, exclude_none=True)
