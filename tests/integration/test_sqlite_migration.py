"""Files of format 1 are brought to the present format when they are opened."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.chat.messages import Message
from shared.chat.usage import UsageReport
from shared.party.storage import sqlite_schema
from shared.party.storage.sqlite import SQLiteBackend
from shared.party.storage.sqlite_schema import check_file, open_file
from shared.party.storage.store import Store

COUNT = 10_000

EPOCH = "0123456789abcdef"

FORMAT_1 = """
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
PRAGMA application_id = 0x50617274;
PRAGMA user_version = 1;
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of format 1: a long room, a cleared one, replies, usage."""
    path = tmp_path / "party.db"
    rows: list[tuple[str, int, int, str, str]] = []
    for seq in range(COUNT):
        # Every tenth is the finished state of the reply before it.
        is_end = seq % 10 == 9
        first = seq - 1 if is_end else seq
        entry = json.dumps({"user": "Ada", "body": f"text {seq} ü 🐬"})
        rows.append(("chatroom/room-1", seq, first, f"id {first}", entry))
    rows.append(("chatroom/a%2Fb", 7, 7, "", ""))
    new = '{"user":"Ada","body":"new"}'
    rows.append(("chatroom/a%2Fb", 8, 8, "id 1", new))
    rows.append(("usage/total", 0, 0, "u", '{"usage":5,"total":5}'))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(FORMAT_1)
        database.execute("INSERT INTO about VALUES (?)", [EPOCH])
        database.executemany("INSERT INTO entries VALUES (?,?,?,?,?)", rows)
        database.commit()
    return path


def dump(file: Path) -> list[tuple[object, ...]]:
    """Return all rows of a file of either format."""
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT * FROM entries ORDER BY 1, 2")
        return [(log.removesuffix("/main"), *row) for log, *row in rows]


def read_version(file: Path) -> int:
    """Return the format of a file."""
    with closing(sqlite3.connect(file)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        return int(version)


async def test_sqlite_file_of_format_1_loses_nothing(file: Path) -> None:
    before = dump(file)
    check_file(str(file))
    assert read_version(file) == 1, "a check changes nothing"

    store = Store(COUNT, SQLiteBackend(str(file)))
    await store.start()
    for room in ("chatroom", "room-1"), ("chatroom", "a/b"):
        await store.load(*room)
    log = store.log("chatroom", "room-1", Message)
    assert log.epoch == store.epoch == EPOCH
    assert len(log) == COUNT * 9 // 10
    seqs = [seq for seq in range(COUNT) if seq % 10 != 9]
    assert [each.seq for each in log] == seqs
    for each in log:
        newest = (each.seq or 0) + ((each.seq or 0) % 10 == 8)
        assert each.id == f"id {each.seq}"
        assert each.body == f"text {newest} ü 🐬"
    message = Message(id="new", user="Ada", body="hello")
    await log.append(message)
    assert message.seq == COUNT
    cleared = store.log("chatroom", "a/b", Message)
    assert [(each.body, each.seq) for each in cleared] == [("new", 8)]
    assert (cleared.start, cleared.epoch) == (8, f"{EPOCH}-7")
    await store.load("usage", "total")
    assert store.log("usage", "total", UsageReport)[-1].total == 5
    assert set(await store.unloaded_rooms(9)) == set()
    await store.stop()
    assert read_version(file) == sqlite_schema.SCHEMA_VERSION == 2
    after = [row for row in dump(file) if row[3] != "new"]
    assert after == before


@pytest.mark.parametrize("step", [0, 3, 7])
def test_sqlite_migration_that_is_interrupted_begins_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process ends without a trace before each of its statements."""
    before = dump(file)
    child = os.fork()
    if not child:
        statements = sqlite_schema.MIGRATIONS[1].split(";")
        statements.insert(step, "SELECT end_process()")

        def execute_all(database: sqlite3.Connection, _: str) -> None:
            database.create_function("end_process", 0, lambda: os._exit(9))
            for statement in statements:
                database.execute(statement)

        monkeypatch.setattr(sqlite_schema, "execute_all", execute_all)
        try:
            open_file(str(file))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    assert (read_version(file), dump(file)) == (1, before)
    open_file(str(file)).close()
    assert (read_version(file), dump(file)) == (2, before)
