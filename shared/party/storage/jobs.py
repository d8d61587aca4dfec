"""What is done to a file of logs: append, clear, read."""

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..errors import MessageRejected
from .database import (
    Database,
    Found,
    Row,
    entries_before,
    look,
    names,
    rows_from,
    state_of,
)
from .entry import Entry, cleared, conflict
from .writer import Job

if TYPE_CHECKING:
    from .sqlite import DurableLog, DurableStore

INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"
UPDATE = "UPDATE entries SET entry = ? WHERE log = ? AND place = ?"


class Tail(NamedTuple):
    """What the writer knows of a log: it names the seq it wants."""

    next: int
    start: int
    newest: Any


class Kept(NamedTuple):
    """What came of an append: what was missed, and a seq or a refusal."""

    missed: list[Row]
    seq: int = 0
    refusal: MessageRejected | None = None


def text_of(entry: Entry) -> str:
    """Return an entry as a row has it."""
    return entry.model_dump_json(exclude={"id", "seq"}, exclude_none=True)


class Append(Job[Kept]):
    """Write an entry at the next seq; another owner may have taken it."""

    def __init__(self, log: "DurableLog[Any]", entry: Entry) -> None:
        super().__init__()
        self.log, self.entry = log, entry
        self.before: Tail | None = None

    def work(self, database: Database) -> Kept:
        """Insert; where the seq is taken, read what was missed, and again."""
        self.before = self.log.tail
        missed: list[Row] = []
        try:
            if not self.insert(database):
                missed = rows_from(database, self.log.name, self.before.next)
                self.log.tail = self.log.after(missed)
                if not missed or not self.insert(database):
                    raise conflict(self.entry, self.find(database))
        except MessageRejected as refusal:
            return Kept(missed, refusal=refusal)
        seq, start, newest = self.log.tail
        if self.entry.seq is None:
            newest = self.entry
        self.log.tail = Tail(seq + 1, start, newest)
        return Kept(missed, seq)

    def insert(self, database: Database) -> bool:
        """Whether the seq and the id were free."""
        seq, start, newest = self.log.tail
        first = self.entry.seq
        if first is None:
            first = seq
            self.entry.follow(newest)
        elif first < start:
            raise cleared(self.entry)
        text = text_of(self.entry)
        row = [self.log.name, seq, first, self.entry.id, text]
        try:
            database.execute(INSERT, row)
        except sqlite3.IntegrityError:
            return False
        return True

    def find(self, database: Database) -> Any:
        """The entry that has the id."""
        (row,) = database.execute(
            "SELECT place, first, id, entry FROM entries WHERE log = ? "
            "AND id = ? ORDER BY place DESC LIMIT 1",
            [self.log.name, self.entry.id],
        )
        return self.log.read(row) or Entry()

    def undo(self) -> None:
        """Want the same seq again."""
        self.log.tail = self.before or self.log.tail

    def settle(self, kept: Kept) -> Kept:
        """Take up what was missed, and then the entry."""
        self.log.catch_up(kept.missed)
        if kept.refusal:
            raise kept.refusal
        if self.entry.seq is None:
            self.entry.seq = kept.seq
            self.log.hold(self.entry)
        return kept


class Clear(Job[tuple[list[Row], int]]):
    """Forget all entries, and leave a row that says so."""

    def __init__(self, log: "DurableLog[Any]") -> None:
        super().__init__()
        self.log = log
        self.before: Tail | None = None

    def work(self, database: Database) -> tuple[list[Row], int]:
        """Take the next seq for it, whoever had written there."""
        tail = self.before = self.log.tail
        missed = rows_from(database, self.log.name, tail.next)
        seq = missed[-1][0] + 1 if missed else tail.next
        database.execute("DELETE FROM entries WHERE log = ?", [self.log.name])
        database.execute(INSERT, [self.log.name, seq, seq, "", ""])
        self.log.tail = Tail(seq + 1, seq + 1, None)
        return missed, seq

    def undo(self) -> None:
        """Want the same seq again."""
        self.log.tail = self.before or self.log.tail

    def settle(self, result: tuple[list[Row], int]) -> tuple[list[Row], int]:
        """Begin anew."""
        self.log.begin_anew(result[1])
        return result


class Checkpoint(Job[None]):
    """Write how far open entries have come, where each of them began."""

    def __init__(self, rows: list[tuple[str, str, int]]) -> None:
        super().__init__()
        self.rows = rows

    def work(self, database: Database) -> None:
        """Update them in place: none of it is news to another process."""
        for row in self.rows:
            database.execute(UPDATE, row)


class Read(Job[list[Row]]):
    """Read entries before a seq."""

    reads_only = True

    def __init__(self, name: str, seq: int, count: int) -> None:
        super().__init__()
        self.name, self.seq, self.count = name, seq, count

    def work(self, database: Database) -> list[Row]:
        """Read them as they are now."""
        return entries_before(database, self.name, self.seq, self.count)


class Load(Job[Found]):
    """Read the newest entries, and where the log stands."""

    reads_only = True

    def __init__(self, name: str, count: int) -> None:
        super().__init__()
        self.name, self.count = name, count

    def work(self, database: Database) -> Found:
        """Look at it as it is now."""
        return look(database, self.name, self.count)


class Names(Job[list[str]]):
    """Read which logs there are."""

    reads_only = True

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def work(self, database: Database) -> list[str]:
        """Read the first of them."""
        return names(database, self.count)


class Watch(Job["Missed"]):
    """Read what another process has written meanwhile."""

    reads_only = True

    def __init__(self, store: "DurableStore") -> None:
        super().__init__()
        self.store = store
        self.before: list[tuple[DurableLog[Any], Tail]] = []

    def work(self, database: Database) -> "Missed":
        """Look into each log at hand, if there is anything new at all."""
        now, last = state_of(database), self.store.states
        found: Missed = []
        if {now} == set(last):
            return found
        # Once more next time: a log may be on its way to be at hand.
        self.store.states = now, last[0]
        for log in self.store.at_hand():
            if missed := rows_from(database, log.name, log.tail.next):
                self.before.append((log, log.tail))
                log.tail = log.after(missed)
                found.append((log, missed))
        return found

    def undo(self) -> None:
        """Miss it again."""
        self.store.states = -1, -1
        for log, tail in self.before:
            log.tail = tail
        self.before.clear()

    def settle(self, result: "Missed") -> "Missed":
        """Take up all of it."""
        for log, missed in result:
            log.catch_up(missed)
        return result


Missed: TypeAlias = "list[tuple[DurableLog[Any], list[Row]]]"
"""What another process has written, by the logs of this one."""
