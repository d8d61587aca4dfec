"""Logs in a file: what is said outlives the process."""

import asyncio
import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, unquote

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from ..errors import MessageRejected
from ..responses import RETRY_LATER
from .database import Found, Row, open_file
from .entry import Entry, conflict
from .jobs import (
    Append,
    Checkpoint,
    Clear,
    Load,
    Names,
    Read,
    Tail,
    Watch,
    text_of,
)
from .log import Log
from .memory import Key, Store
from .writer import Writer

M = TypeVar("M", bound=Entry)

NOT_KEPT = "The server cannot keep this now. Try again in a moment."

UNREADABLE = 503, "The server cannot read this room now.", RETRY_LATER
"""With what a room is refused whose log is neither at hand nor readable."""

AGAIN = 1.0
"""Seconds until it is tried again to write the end of a reply."""

GLANCE = 1.0
"""Seconds between two looks at what another process has written, and at how
far the replies of this one have come."""


logger = logging.getLogger("party")


class DurableLog(Log[M], Generic[M]):
    """A log whose entries are in a file before anybody hears of them."""

    max_old_ids = 0  # the file has them all

    def __init__(
        self, store: "DurableStore", key: Key, model: type[M], found: Found
    ) -> None:
        super().__init__(store.epoch, model, store.most)
        self.store, self.key, self.name = store, key, name_of(key)
        # By their seqs, those that grow, and what of them is written.
        self.open: dict[int, tuple[M, str]] = {}
        self.unreadable = False
        self.begin_anew(found.start - 1)
        for entry in self.read_all(found.rows):
            self.take_up(entry)
        newest = self[-1] if self else None
        self.tail = Tail(found.next, found.start, newest)

    async def append(self, entry: M) -> None:
        """Add an entry, as Log does; see `_write`."""
        if entry.seq is not None:
            raise conflict(entry, entry)
        await self._write(entry)

    async def update(self, entry: M) -> None:
        """Store the new state of an entry, as Log does; see `_write`."""
        self._locate(entry)
        self.replace(entry)
        await self._write(entry)

    async def _write(self, entry: M) -> None:
        """Keep an entry in the file.

        MessageRejected, if the file cannot be written. The end of a reply is
        then shown all the same, and written as soon as it can be, as is what
        `is_owed`.
        """
        try:
            await self.store.writer.do(Append(self, entry))
        except asyncio.CancelledError:
            if entry.is_owed or entry.seq is not None:
                self.store.owe(self, entry)
            raise
        except sqlite3.Error:
            if not entry.is_owed and entry.seq is None:
                raise MessageRejected(NOT_KEPT, entry.id) from None
            self.store.owe(self, entry)
        if entry.is_open and entry.seq is not None:
            self.open[entry.seq] = entry, text_of(entry)

    async def clear(self) -> None:
        """Forget all entries, as Log does; MessageRejected if that fails."""
        try:
            await self.store.writer.do(Clear(self))
        except sqlite3.Error:
            raise MessageRejected(NOT_KEPT) from None

    async def before(self, seq: int, count: int) -> list[M]:
        """Up to `count` entries before a seq; the file has them all."""
        found = await super().before(seq, count)
        if len(found) == count:
            return found
        with suppress(sqlite3.Error):  # then, what is at hand has to do
            job = Read(self.name, seq, count)
            found = self.read_all(await self.store.writer.do(job))
        return found

    def read(self, row: Row) -> M | None:
        """Return the entry of a row; None if this version cannot read it.

        A later version may have written it, which shares the file.
        """
        _, first, id, text = row
        try:
            entry = self.model.model_validate_json(text)
        except ValidationError:
            if not self.unreadable:
                logger.warning("%s: left out what cannot be read", self.name)
            self.unreadable = True
            return None
        entry.id, entry.seq = id, first
        entry.recall()
        return entry

    def read_all(self, rows: list[Row]) -> list[M]:
        """Return the entries of rows, without those that cannot be read."""
        return [entry for row in rows if (entry := self.read(row))]

    def after(self, rows: list[Row]) -> Tail:
        """What the tail is, once these rows are known as well."""
        next, start, newest = self.tail
        for row in rows:
            next = row[0] + 1
            if not row[3]:
                start, newest = next, None
            elif row[0] == row[1]:
                newest = self.read(row) or newest
        return Tail(next, start, newest)

    def begin_anew(self, seq: int) -> None:
        """Be as after it was cleared at that seq; before 0: never."""
        epoch = self.store.epoch
        self.forget(f"{epoch}-{seq}" if seq >= 0 else epoch, seq + 1)

    def catch_up(self, rows: list[Row]) -> None:
        """Take up what another process wrote, and tell the room."""
        for row in rows:
            if not row[3]:
                self.begin_anew(row[0])
                self.store.tell(self.key, None)
            elif entry := self.read(row):
                self.take_up(entry)
                self.store.tell(self.key, entry)

    def take_up(self, entry: M) -> None:
        """Have an entry at hand as it is now, wherever it stands."""
        if not self or (self[-1].seq or 0) < (entry.seq or 0):
            self.hold(entry)
        else:
            self.replace(entry)


class DurableStore(Store):
    """Keeps logs in a file; a thread writes them."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(most)
        self.path = path
        self._found: dict[Key, Found] = {}
        self.owed: dict[asyncio.Task[None], Key] = {}
        self._stopping = asyncio.Event()
        self.states = -1, -1
        self.note = f"What is said is kept in {Path(path).resolve()}"

    async def start(self) -> None:
        """Open the file; raises WrongFile if it is none of ours."""
        database = open_file(self.path)
        (self.epoch,) = database.execute("SELECT epoch FROM about").fetchone()
        self.writer = Writer(database)
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Write what is left, and close the file."""
        self._stopping.set()
        self._watching.cancel()
        await asyncio.gather(*self.owed, return_exceptions=True)
        await self.writer.stop()

    def owe(self, log: DurableLog[M], entry: M) -> None:
        """Append it again in a moment, and once more when the store stops."""
        if not self._stopping.is_set():
            task = asyncio.create_task(self._pay(log, entry))
            self.owed[task] = log.key
            task.add_done_callback(self.owed.pop)

    async def _pay(self, log: DurableLog[M], entry: M) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), AGAIN)
        is_new = entry.seq is None
        with suppress(
            MessageRejected
        ):  # it is kept already, or the room was cleared
            await log._write(entry)
            if is_new and entry.seq is not None:
                self.tell(log.key, entry)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(GLANCE)
            with suppress(sqlite3.Error):
                await self.writer.do(Watch(self))
                await self._checkpoint()

    async def _checkpoint(self) -> None:
        """Write how far replies have come, for the case of a crash."""
        logs = self.at_hand()
        for log in logs:
            log.open = {k: v for k, v in log.open.items() if v[0].is_open}
        grown = [
            (log, seq, entry, text)
            for log in logs
            for seq, (entry, written) in log.open.items()
            if (text := text_of(entry)) != written
        ]
        if grown:
            rows = [(text, log.name, seq) for log, seq, _, text in grown]
            await self.writer.do(Checkpoint(rows))
            for log, seq, entry, text in grown:
                log.open[seq] = entry, text

    def at_hand(self) -> list[DurableLog[Any]]:
        """The logs of this process, now."""
        logs = list(self._logs.values())
        return [log for log in logs if isinstance(log, DurableLog)]

    async def load(self, party: str, room: str) -> None:
        """Read what a room remembers; HTTPException, if that cannot be."""
        key = party, room
        if key not in self._logs:
            job = Load(name_of(key), self.most)
            try:
                self._found[key] = await self.writer.do(job)
            except sqlite3.Error:
                raise HTTPException(*UNREADABLE) from None

    async def asleep(self, most: int) -> list[Key]:
        """Rooms of the file that nobody has entered since the start."""
        names = await self.writer.do(Names(most))
        return [key for key in map(key_of, names) if key not in self._logs]

    def log(self, party: str, room: str, model: type[M]) -> Log[M]:
        """The log of a room, as it was loaded."""
        key = party, room
        if key not in self._logs:
            found = self._found.pop(key)
            self._logs[key] = DurableLog(self, key, model, found)
        return self._logs[key]

    def release(self, party: str, room: str) -> None:
        """Have nothing of a room at hand any more: the file has it."""
        if (party, room) not in self.owed.values():
            self._logs.pop((party, room), None)
        self._found.pop((party, room), None)


def name_of(key: Key) -> str:
    """What a log is called in the file."""
    return "/".join(quote(part, safe="") for part in key)


def key_of(name: str) -> Key:
    """Whose log is called so."""
    party, room = name.split("/")
    return unquote(party), unquote(room)
