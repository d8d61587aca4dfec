"""A file that keeps logs: an SQLite database, and its format."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeAlias
from uuid import uuid4

PARTY = 0x50617274
"""What says in a file that it is one of ours."""

FORMAT = 1
"""Which format this code reads and writes."""

BUSY = 2.0
"""Seconds that another program may lock the file."""

TABLES = """
CREATE TABLE about (epoch TEXT NOT NULL);
CREATE TABLE entries (
    log TEXT NOT NULL,
    place INTEGER NOT NULL,
    first INTEGER NOT NULL,
    id TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (log, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX named ON entries (log, id)
    WHERE id != '' AND place = first;
CREATE INDEX versions ON entries (log, first, place);
"""
"""An entry that was finished later has two rows with one `first`.

A row without an entry says that the log was cleared there.
"""

Row: TypeAlias = tuple[int, int, str, str]
"""The place, the first place, the id, and the entry as JSON."""

Database: TypeAlias = sqlite3.Connection

BEFORE = """
SELECT place, first, id, entry FROM entries JOIN (
    SELECT first AS f, MAX(place) AS p FROM entries
    WHERE log = :log AND first < :place AND entry != ''
    GROUP BY first ORDER BY first DESC LIMIT :count
) ON log = :log AND place = p ORDER BY first
"""


class Found(NamedTuple):
    """What a file has of a log: its newest entries, its next place, and where
    it began when it was cleared last."""

    rows: list[Row]
    next: int
    start: int


class WrongFile(ValueError):
    """A file that cannot keep logs; says why, to a person."""


def check(path: str) -> None:
    """Raise WrongFile for a file that is there and is not one of ours."""
    file = Path(path).resolve()
    if not file.parent.is_dir():
        raise WrongFile(f"there is no folder {file.parent}")
    if file.is_dir():
        raise WrongFile(f"{file} is a folder: name a file in it")
    if file.exists() and not file.is_file():
        raise WrongFile(f"{file} is a device, and no file")
    for each in file.parent, file:
        if each.exists() and not os.access(each, os.W_OK):
            raise WrongFile(f"{each} cannot be written")
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=BUSY)) as database:
            if check_format(database, path):
                database.execute("SELECT epoch FROM about").fetchone()
                names(database, 1)
    except sqlite3.Error as error:
        raise WrongFile(f"{path} cannot be read: {error}") from None


def check_format(database: Database, path: str) -> bool:
    """Whether there is something in it already; raises WrongFile."""
    (party,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()
    if tables == 0:
        return False
    if party != PARTY:
        raise WrongFile(
            f"{path} was written by another program: take another file"
        )
    if version != FORMAT:
        raise WrongFile(
            f"{path} has format {version}, and this version of Party Chat "
            f"reads format {FORMAT}: take another file"
        )
    return True


def open_file(path: str) -> Database:
    """Open a file of logs, or begin one.

    Raises WrongFile, or sqlite3.Error where there can be no file.
    """
    database = sqlite3.connect(
        path, timeout=BUSY, isolation_level=None, check_same_thread=False
    )
    if not check_format(database, path):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        # Another process may have begun it meanwhile.
        if not check_format(database, path):
            for statement in TABLES.split(";"):
                database.execute(statement)
            database.execute("INSERT INTO about VALUES (?)", [uuid4().hex])
            database.execute(f"PRAGMA application_id = {PARTY}")
            database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute("COMMIT")
    database.execute("PRAGMA synchronous = FULL")
    # Else a long history is sorted in a file, where there may be no room.
    database.execute("PRAGMA temp_store = MEMORY")
    return database


def state_of(database: Database) -> int:
    """A number that is another one once another process has written."""
    (state,) = database.execute("PRAGMA data_version").fetchone()
    return int(state)


def rows_from(database: Database, log: str, place: int) -> list[Row]:
    """All rows of a log from a place on."""
    return database.execute(
        "SELECT place, first, id, entry FROM entries "
        "WHERE log = ? AND place >= ? ORDER BY place",
        [log, place],
    ).fetchall()


def entries_before(
    database: Database, log: str, place: int, count: int
) -> list[Row]:
    """The newest entries before a place, as they are now, oldest first."""
    values = {"log": log, "place": place, "count": count}
    return database.execute(BEFORE, values).fetchall()


def names(database: Database, count: int) -> list[str]:
    """What the first logs of a file are called, up to `count` of them."""
    query = "SELECT DISTINCT log FROM entries LIMIT ?"
    return [name for (name,) in database.execute(query, [count])]


def look(database: Database, log: str, count: int) -> Found:
    """The newest entries of a log, and where it stands."""
    (last,) = database.execute(
        "SELECT max(place) FROM entries WHERE log = ?", [log]
    ).fetchone()
    (mark,) = database.execute(
        "SELECT min(place) FROM entries WHERE log = ? AND entry = ''", [log]
    ).fetchone()
    after = 0 if last is None else last + 1
    rows = entries_before(database, log, after, count)
    return Found(rows, after, 0 if mark is None else mark + 1)
