"""Check that an SQLite file is still the one that was opened, and intact.

SQLite goes on without an error when somebody removes, replaces, truncates or
overwrites its database or its write-ahead log: later commits are lost.
The formats: https://sqlite.org/fileformat.html, https://sqlite.org/walformat.html
"""

import os
import sqlite3
import struct
from contextlib import closing
from typing import BinaryIO, NamedTuple

SUFFIXES = "", "-wal", "-shm"
"""The database, its write-ahead log, and the shared index of that."""

INDEX_HEADER = struct.Struct("=14xHI4xII8s8x")
"""One of two copies: page size, frames, checksum, salts."""

INDEX_BYTES = 2 * INDEX_HEADER.size + 4
"""Both copies, and the number of frames in the database by now."""

ATTEMPTED_AT = 128
"""Offset in the index of the frame up to which a checkpoint is to come."""

WAL_HEADER_BYTES = 32
SALTS_AT = 16
FRAME_HEADER = struct.Struct(">16xII")
DATABASE_HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"

ATTEMPTS = 3
"""Reads of a file that another process may be writing."""

ADVICE = (
    "nothing more is stored until the file is put back or the server is "
    "started again; messages in memory are still shown"
)


class DatabaseState(NamedTuple):
    """The database at the last check; only a checkpoint changes it."""

    size: int
    modified: int
    checkpoint: bytes


class FileGuard:
    """Verifies that the files of a database are as SQLite left them.

    Other processes may write to them, by SQLite. The files stay open as long
    as the database: closing one would drop the locks of this process.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        *_, self.path = database.execute("PRAGMA database_list").fetchone()
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
        self.files: dict[str, BinaryIO] = {}
        for suffix in SUFFIXES if mode == "wal" else SUFFIXES[:1]:
            file = open(self.path + suffix, "rb", buffering=0)  # noqa: SIM115
            self.files[suffix] = file
        self.inodes = {
            suffix: os.fstat(file.fileno()).st_ino
            for suffix, file in self.files.items()
        }
        self.header = b""
        self.state = DatabaseState(0, 0, b"")
        self.verify()

    def close(self) -> None:
        """Close the files, once the database is closed."""
        for file in self.files.values():
            file.close()

    def verify(self) -> None:
        """Raise sqlite3.OperationalError if a file is damaged; it says how."""
        sizes = {}
        for suffix, inode in self.inodes.items():
            path = self.path + suffix
            try:
                stat = os.stat(path)
            except FileNotFoundError:
                raise damage_error(f"{path} is no longer there") from None
            if stat.st_ino != inode:
                raise damage_error(f"{path} was replaced")
            sizes[suffix] = stat.st_size, stat.st_mtime_ns
        if "-wal" in self.files:
            for _ in range(ATTEMPTS):
                if checkpoint := self._verify_log():
                    break
            else:
                raise damage_error(
                    f"{self.path}-wal was truncated or overwritten"
                )
            self._verify_database(DatabaseState(*sizes[""], checkpoint))

    def record(self) -> None:
        """Accept the change that a checkpoint of this process made."""
        if index := self.files.get("-shm"):
            _, _, checkpoint = split_index(read_at(index, 0, INDEX_BYTES))
            if checkpoint != self.state.checkpoint:
                self.verify()

    def _verify_log(self) -> bytes:
        """Return the checkpoint state, or b"" if the log is not as indexed."""
        index, copy, checkpoint = split_index(
            read_at(self.files["-shm"], 0, INDEX_BYTES)
        )
        if index != copy:
            return b""
        page, frames, first, second, salts = INDEX_HEADER.unpack(index)
        if frames:
            page = 65_536 if page == 1 else page
            end = WAL_HEADER_BYTES + frames * (FRAME_HEADER.size + page)
            log = self.files["-wal"]
            frame = read_at(
                log, end - page - FRAME_HEADER.size, FRAME_HEADER.size
            )
            if (
                os.fstat(log.fileno()).st_size < end
                or FRAME_HEADER.unpack(frame) != (first, second)
                or read_at(log, SALTS_AT, len(salts)) != salts
            ):
                return b""
        return checkpoint

    def _verify_database(self, now: DatabaseState) -> None:
        """Verify that nothing but a checkpoint has changed it since."""
        before = self.state
        if now == before:
            return
        # Another process is in the middle of a checkpoint.
        if read_at(self.files["-shm"], ATTEMPTED_AT, 4) != now.checkpoint[-4:]:
            return
        header = read_at(self.files[""], 0, DATABASE_HEADER_BYTES)
        is_expected = now.checkpoint != before.checkpoint or (
            header == self.header and now.size >= before.size
        )
        if not is_expected or not header.startswith(MAGIC):
            raise damage_error(f"{self.path} was truncated or overwritten")
        # Without a checkpoint, a program wrote to it, or only touched it.
        if now.checkpoint == before.checkpoint and not passes_quick_check(
            self.path
        ):
            raise damage_error(f"{self.path} was overwritten")
        self.state, self.header = now, header


def split_index(index: bytes) -> tuple[bytes, bytes, bytes]:
    """Return both headers of the index, and the checkpoint state."""
    size = INDEX_HEADER.size
    first, second = index[:size], index[size : 2 * size]
    return first, second, first[32:40] + index[2 * size :]  # salts, frames


def passes_quick_check(path: str) -> bool:
    """Return whether another connection finds a database in order."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("PRAGMA quick_check").fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(found == "ok")


def read_at(file: BinaryIO, at: int, size: int) -> bytes:
    """Return up to `size` bytes at an offset."""
    file.seek(at)
    return file.read(size)


def damage_error(damage: str) -> sqlite3.OperationalError:
    """Return an error with the damage, and advice on how to repair it."""
    return sqlite3.OperationalError(f"{damage}: {ADVICE}")
