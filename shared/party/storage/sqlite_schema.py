"""The schema of an SQLite file of logs: creation, checks, migration."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from .sqlite_writer import Database

APPLICATION_ID = 0x50617274
"""Marks a file as one of this application: "Part"."""

SCHEMA_VERSION = 2
"""The format that this code reads and writes."""

BUSY_TIMEOUT = 2.0
"""Seconds for which another program may lock the file."""

ENTRIES = """
CREATE TABLE entries (
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    id TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (log, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX ids ON entries (log, id) WHERE id != '' AND seq = first;
CREATE INDEX updates ON entries (log, first, seq)
"""
"""Rows are records, see `Record` in backend.py."""

SCHEMA = f"CREATE TABLE about (epoch TEXT NOT NULL); {ENTRIES}"

MIGRATIONS = {
    1: f"""
ALTER TABLE entries RENAME TO entries_1;
DROP INDEX named;
DROP INDEX versions;
{ENTRIES};
INSERT INTO entries
    SELECT log || '/main', place, first, id, entry FROM entries_1;
DROP TABLE entries_1
"""
}
"""For each earlier version, the statements that lead to the next one.

Version 1 had one log for each room, and `place` for `seq`.
"""


class InvalidDatabase(ValueError):
    """A file that cannot store logs; the message says why."""


def check_file(path: str) -> None:
    """Raise InvalidDatabase for a path that cannot be used."""
    file = Path(path).resolve()
    if not file.parent.is_dir():
        raise InvalidDatabase(f"there is no folder {file.parent}")
    if file.is_dir():
        raise InvalidDatabase(f"{file} is a folder: name a file in it")
    if file.exists() and not file.is_file():
        raise InvalidDatabase(f"{file} is a device, and no file")
    for each in file.parent, file:
        if each.exists() and not os.access(each, os.W_OK):
            raise InvalidDatabase(f"{each} cannot be written")
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as database:
            if read_version(database, path):
                database.execute("SELECT epoch FROM about").fetchone()
                database.execute("SELECT min(log) FROM entries").fetchone()
    except sqlite3.Error as error:
        raise InvalidDatabase(f"{path} cannot be read: {error}") from None


def read_version(database: Database, path: str) -> int:
    """Return the schema version, 0 for an empty file.

    Raises InvalidDatabase for a file of another program or a later version.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()
    if tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise InvalidDatabase(
            f"{path} was written by another program: take another file"
        )
    if version != SCHEMA_VERSION and version not in MIGRATIONS:
        raise InvalidDatabase(
            f"{path} has format {version}, and this version of Party Chat "
            f"reads format {SCHEMA_VERSION}: take another file"
        )
    return int(version)


def open_file(path: str) -> Database:
    """Open a file; create it or bring it up to date if necessary.

    Raises InvalidDatabase, or sqlite3.Error where there can be no file.
    """
    database = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    # Otherwise a long history is sorted in a file, and the disk may be full.
    database.execute("PRAGMA temp_store = MEMORY")
    if read_version(database, path) != SCHEMA_VERSION:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        # Read again: another process may have done it meanwhile.
        migrate(database, read_version(database, path))
        database.execute("COMMIT")
    database.execute("PRAGMA synchronous = FULL")
    return database


def migrate(database: Database, version: int) -> None:
    """Bring the schema up to date, within the caller's transaction."""
    if version == 0:
        execute_all(database, SCHEMA)
        database.execute("INSERT INTO about VALUES (?)", [uuid4().hex])
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        version = SCHEMA_VERSION
    while version < SCHEMA_VERSION:
        execute_all(database, MIGRATIONS[version])
        version += 1
    database.execute(f"PRAGMA user_version = {version}")


def execute_all(database: Database, statements: str) -> None:
    """Execute statements; `executescript` would commit first."""
    for statement in statements.split(";"):
        database.execute(statement)
