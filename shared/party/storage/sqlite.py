"""Logs in an SQLite file, which several processes may share."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from .backend import (
    AppendResult,
    LogKey,
    LogSnapshot,
    Record,
    RoomKey,
    StorageError,
)
from .sqlite_schema import open_file
from .sqlite_writer import Database, Writer

INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"

INSERT_NEXT = """
INSERT INTO entries SELECT ?, ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM entries WHERE log = ? AND seq >= ?)
"""

READ_FROM = """
SELECT seq, first, id, entry FROM entries
WHERE log = ? AND seq >= ? ORDER BY seq
"""

READ_BEFORE = """
SELECT seq, first, id, entry FROM entries JOIN (
    SELECT first AS f, MAX(seq) AS s FROM entries
    WHERE log = :log AND first < :before AND entry != ''
    GROUP BY first ORDER BY first DESC LIMIT :count
) ON log = :log AND seq = s ORDER BY first
"""

FIND = """
SELECT seq, first, id, entry FROM entries WHERE log = ? AND first = (
    SELECT seq FROM entries WHERE log = ? AND id = ? AND id != ''
    AND seq = first
) ORDER BY seq DESC LIMIT 1
"""

NEXT_LOG = "SELECT min(log) FROM entries WHERE log > ? AND log < ?"


class SQLiteBackend:
    """A Backend in an SQLite file; see the protocol in `backend.py`."""

    epoch = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.status_line = f"Messages are stored in {Path(path).resolve()}"
        # PRAGMA data_version at the last poll and the one before.
        self._versions = -1, -1

    async def open(self) -> None:
        """Open or create the file; raises InvalidDatabase."""
        database = open_file(self.path)
        (self.epoch,) = database.execute("SELECT epoch FROM about").fetchone()
        self.writer = Writer(database)

    async def close(self) -> None:
        """Complete the pending writes, and close the file."""
        await self.writer.stop()

    async def load(self, room: RoomKey, count: int) -> dict[str, LogSnapshot]:
        """Return the logs of a room by name, `count` entries of each."""

        def load(database: Database) -> dict[str, LogSnapshot]:
            logs = list_logs(database, f"{encode_key(*room)}/")
            return {
                unquote(log.rpartition("/")[2]): load_snapshot(
                    database, log, count
                )
                for log in logs
            }

        return await self.writer.submit(load, reads_only=True)

    async def append(
        self, log: LogKey, records: Sequence[Record]
    ) -> AppendResult:
        """Append all records, or none if the first `seq` is not the next."""
        name = encode_key(*log)
        rows = [(name, *record) for record in records]

        def append(database: Database) -> AppendResult:
            seq = records[0].seq
            if len(rows) > 1:
                database.execute("SAVEPOINT append")
            try:
                inserted = database.execute(INSERT_NEXT, (*rows[0], name, seq))
                if not inserted.rowcount:
                    return AppendResult(missed=read_from(database, name, seq))
                if len(rows) > 1:
                    database.executemany(INSERT, rows[1:])
            except sqlite3.IntegrityError:
                if len(rows) > 1:
                    database.execute("ROLLBACK TO append")
                found = [find(database, name, each.id) for each in records]
                return AppendResult(duplicates=[row for row in found if row])
            return AppendResult()

        return await self.writer.submit(append)

    async def update(self, changes: Sequence[tuple[LogKey, Record]]) -> None:
        """Overwrite the entries of records in place: no news to others."""
        rows = [
            (record.entry, encode_key(*log), record.seq)
            for log, record in changes
        ]

        def update(database: Database) -> None:
            database.executemany(
                "UPDATE entries SET entry = ? WHERE log = ? AND seq = ?", rows
            )

        await self.writer.submit(update)

    async def clear(self, log: LogKey) -> int:
        """Remove all records; return the `seq` that this has taken."""
        name = encode_key(*log)

        def clear(database: Database) -> int:
            seq = next_seq(database, name)
            database.execute("DELETE FROM entries WHERE log = ?", [name])
            database.execute(INSERT, [name, seq, seq, "", ""])
            return seq

        return await self.writer.submit(clear)

    async def read(self, log: LogKey, before: int, count: int) -> list[Record]:
        """Return the newest entries before a `seq`, oldest first."""
        name = encode_key(*log)

        def read(database: Database) -> list[Record]:
            return read_before(database, name, before, count)

        return await self.writer.submit(read, reads_only=True)

    async def poll(
        self, positions: Mapping[LogKey, int]
    ) -> dict[LogKey, list[Record]]:
        """Return the records at or after each log's next `seq`."""

        def poll(database: Database) -> dict[LogKey, list[Record]]:
            (version,) = database.execute("PRAGMA data_version").fetchone()
            if {version} == set(self._versions):
                return {}
            # Once more next time: a room may be about to open its logs.
            self._versions = version, self._versions[0]
            found = {
                log: read_from(database, encode_key(*log), seq)
                for log, seq in positions.items()
            }
            return {log: records for log, records in found.items() if records}

        try:
            return await self.writer.submit(poll, reads_only=True)
        except StorageError:
            self._versions = -1, -1
            raise

    async def list_rooms(self, count: int) -> list[RoomKey]:
        """Return up to `count` rooms that have logs."""

        def list_rooms(database: Database) -> list[RoomKey]:
            rooms: list[RoomKey] = []
            name = ""
            while len(rooms) < count and (name := next_log(database, name)):
                party, room, _ = map(unquote, name.split("/"))
                rooms.append((party, room))
                name = f"{encode_key(party, room)}0"  # behind its last log
            return rooms

        return await self.writer.submit(list_rooms, reads_only=True)


def encode_key(*parts: str) -> str:
    """Return a log's name in the file: its key, percent-encoded."""
    return "/".join(quote(part, safe="") for part in parts)


def load_snapshot(database: Database, log: str, count: int) -> LogSnapshot:
    """Return the newest entries of a log, and its position."""
    (cleared,) = database.execute(
        "SELECT min(seq) FROM entries WHERE log = ? AND entry = ''", [log]
    ).fetchone()
    end = next_seq(database, log)
    records = read_before(database, log, end, count)
    return LogSnapshot(records, end, 0 if cleared is None else cleared + 1)


def next_seq(database: Database, log: str) -> int:
    """Return the next sequence number of a log."""
    (last,) = database.execute(
        "SELECT max(seq) FROM entries WHERE log = ?", [log]
    ).fetchone()
    return 0 if last is None else int(last) + 1


def read_from(database: Database, log: str, seq: int) -> list[Record]:
    """Return all records of a log from a sequence number on."""
    return [Record(*row) for row in database.execute(READ_FROM, [log, seq])]


def read_before(
    database: Database, log: str, before: int, count: int
) -> list[Record]:
    """Return the newest entries before a sequence number, oldest first."""
    values = {"log": log, "before": before, "count": count}
    return [Record(*row) for row in database.execute(READ_BEFORE, values)]


def find(database: Database, log: str, id: str) -> Record | None:
    """Return the newest record of an entry with an id."""
    row = database.execute(FIND, [log, log, id]).fetchone()
    return Record(*row) if row else None


def next_log(database: Database, after: str, end: str = "\x7f") -> str:
    """Return the name of the first log after a name; "" if there is none."""
    (name,) = database.execute(NEXT_LOG, [after, end]).fetchone()
    return name or ""


def list_logs(database: Database, prefix: str) -> list[str]:
    """Return the names of logs that begin with a room's key and a slash."""
    names, name = [], prefix
    while name := next_log(database, name, f"{prefix[:-1]}0"):
        names.append(name)
    return names
