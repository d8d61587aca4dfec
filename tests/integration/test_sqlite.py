"""Logs in an SQLite file: locks, full disks, damage, and killed servers."""

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from shared.chat.messages import AIMessage, Message
from shared.chat.usage import UsageReport
from shared.party import Entry, Log, MessageRejected
from shared.party.storage import sqlite, sqlite_schema, stored_log
from shared.party.storage.backend import StorageError
from shared.party.storage.sqlite import SQLiteBackend
from shared.party.storage.sqlite_schema import (
    BUSY_TIMEOUT,
    InvalidDatabase,
    check_file,
    open_file,
)
from shared.party.storage.sqlite_writer import Job, Writer
from shared.party.storage.store import Store, validate_store_url
from shared.party.storage.stored_log import CANNOT_STORE, StoredLog

from ..conftest import STAGES
from ..support.server_process import PATIENCE, start
from ..support.stubs import OpenAIStub

FULL = "database or disk is full"


class Note(Entry):
    text: str = ""


def fail(*_: object) -> None:
    raise sqlite3.DataError


@asynccontextmanager
async def stored(file: Path, most: int = 1_000) -> AsyncIterator[Store]:
    """A store, as one process has it."""
    store = Store(most, SQLiteBackend(str(file)))
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


async def log_of(store: Store, room: str) -> Log[Note]:
    """The log of a room."""
    await store.load("chat", room)
    return store.log("chat", room, Note)


@asynccontextmanager
async def opened(file: Path, most: int = 1_000) -> AsyncIterator[Log[Note]]:
    """The log of one room in a file."""
    async with stored(file, most) as store:
        yield await log_of(store, "1")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program writes to the file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def until(found: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def rows(file: Path) -> int:
    """How many there are in the file."""
    with closing(sqlite3.connect(file)) as other:
        (count,) = other.execute("SELECT count(*) FROM entries").fetchone()
        return int(count)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "party.db"


async def test_sqlite_skips_entries_it_cannot_read(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A later version may share the file, as while servers are replaced."""

    async with opened(file) as log:
        await log.append(Note(id="a"))
        with closing(sqlite3.connect(file)) as later:
            later.execute(
                "INSERT INTO entries VALUES (?, 1, 1, 'b', ?)",
                ["chat/1/main", '{"text": ["of another kind"]}'],
            )
            later.commit()
        await log.append(Note(id="c"))
        with pytest.raises(MessageRejected, match="has this id already"):
            await log.append(Note(id="b"))
        assert [each.id for each in await log.before(9, 9)] == ["a", "c"]
    async with opened(file) as log:
        assert [(each.id, each.seq) for each in log] == [
            ("a", 0),
            ("c", 2),
        ]
    words = "chat/1/main: skipped entries it cannot read"
    assert caplog.messages == [words, words]


async def test_sqlite_rejects_what_it_cannot_store_and_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT", BUSY_TIMEOUT / 40)

    async with opened(file) as log:
        await log.append(first := Note(id="a"))
        with locked(file):
            with pytest.raises(MessageRejected) as refused:
                await log.append(Note(id="b"))
            with pytest.raises(MessageRejected):
                await log.clear()
        assert refused.value.frame["id"] == "b"
        assert log[0] is first
        await log.append(Note(id="b"))
        assert [(each.id, each.seq) for each in log] == [
            ("a", 0),
            ("b", 1),
        ]


async def test_sqlite_undoes_all_writes_of_a_commit_that_fails(
    file: Path,
) -> None:
    """Those of other rooms, too; they are written once the disk has space."""

    async with stored(file) as store:
        one, two = await log_of(store, "1"), await log_of(store, "2")
        assert isinstance(store.backend, SQLiteBackend)
        writer = store.backend.writer
        for log in one, two:
            await log.append(Note(id="a"))
        with closing(sqlite3.connect(file)) as other:
            (pages,) = other.execute("PRAGMA page_count").fetchone()
        writer.database.execute(f"PRAGMA max_page_count = {pages}")
        large = Note(id="large", text="x" * 10_000)
        for write in partial(two.append, Note(id="b")), two.clear:
            busy, gate = threading.Event(), threading.Event()

            def block(_: object) -> None:
                busy.set()  # noqa: B023
                gate.wait()  # noqa: B023

            waiting = asyncio.create_task(writer.submit(block, True))
            await until(busy.is_set)
            both = asyncio.gather(
                write(), one.append(large), return_exceptions=True
            )
            await until(lambda: writer.jobs.qsize() == 2)
            gate.set()
            await waiting
            failures = [each.args for each in await both if each]
            assert failures == [(CANNOT_STORE,)] * 2
        assert (len(one), len(two)) == (1, 1)
        writer.database.execute("PRAGMA max_page_count = 1000000")
        with pytest.raises(StorageError):
            await writer.submit(fail)
        await one.append(large)
        await two.append(Note(id="b"))
    async with stored(file) as store:
        for room, last in ("1", "large"), ("2", "b"):
            log = await log_of(store, room)
            ids = [(each.id, each.seq) for each in log]
            assert ids == [("a", 0), (last, 1)]


@pytest.mark.parametrize("again", [0.01, 60])
async def test_sqlite_retries_the_end_of_a_reply(
    file: Path, monkeypatch: pytest.MonkeyPatch, again: float
) -> None:
    """At the latest, when the store stops. Until then, its log is at hand."""
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT", BUSY_TIMEOUT / 40)
    monkeypatch.setattr(stored_log, "RETRY_DELAY", again)
    execute, commits = Writer.execute, []

    def counted(self: Writer, batch: list[Job[Any]]) -> list[Any]:
        commits.append(batch)
        return execute(self, batch)

    monkeypatch.setattr(Writer, "execute", counted)

    async with stored(file) as store:
        log = await log_of(store, "1")
        reply, other = Note(id="a"), Note(id="b")
        await log.append(reply)
        await log.append(other)
        with locked(file):
            reply.text = other.text = "done"
            await log.update(reply)
            await log.update(other)
            await until(lambda: again > 1 or len(commits) > 8)
            store.release("chat", "1")
            assert await log_of(store, "1") is log
        await until(lambda: again > 1 or rows(file) == 4)
        await log.append(Note(id="c"))
    async with opened(file) as log:
        texts = [(each.id, each.text) for each in log]
        assert texts == [("a", "done"), ("b", "done"), ("c", "")]
        await log.append(Note(id="d"))
        assert log[-1].seq == 5


async def test_sqlite_forgets_the_end_of_a_cleared_reply(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT", BUSY_TIMEOUT / 40)
    monkeypatch.setattr(stored_log, "RETRY_DELAY", 0.01)

    async with opened(file) as log:
        reply = Note(id="a")
        await log.append(reply)
        with locked(file):
            await log.update(reply)
        await log.clear()
        assert isinstance(log, StoredLog)
        await until(lambda: not log.retries)
    async with opened(file) as log:
        assert list(log) == []
        assert rows(file) == 1
    assert {each.name for each in caplog.records} == {"party"}


async def test_sqlite_counts_usage_once_however_its_report_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, though it is written; refused, though it is retried."""
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT", BUSY_TIMEOUT / 40)
    monkeypatch.setattr(stored_log, "RETRY_DELAY", 0.01)

    async with stored(file) as store:
        await store.load("usage", "total")
        log = store.log("usage", "total", UsageReport)
        told: list[object] = []
        store.on_external_change = lambda _, entry: told.append(
            entry and entry.to_frame()
        )
        report = asyncio.create_task(log.append(UsageReport(usage=5)))
        await asyncio.sleep(0)
        report.cancel()
        await until(lambda: len(log) == 1 and not log.is_busy)
        with locked(file):
            await log.append(UsageReport(usage=7))
            assert log[-1].total == 5
        await until(lambda: len(log) == 2 and not log.is_busy)
        assert told == [{"tally": 12}]
        await log.append(UsageReport(usage=1))
    async with stored(file) as store:
        await store.load("usage", "total")
        log = store.log("usage", "total", UsageReport)
        assert [each.total for each in log] == [5, 12, 13]


def test_sqlite_rejects_a_file_of_another_format(tmp_path: Path) -> None:
    foreign, later = tmp_path / "foreign.db", tmp_path / "later.db"
    for file, pragma in (
        (foreign, "PRAGMA user_version = 1"),
        (later, "PRAGMA application_id = 0x50617274"),
    ):
        database = sqlite3.connect(file)
        database.execute("CREATE TABLE other (x)")
        database.execute(pragma)
        database.close()
    (tmp_path / "text.db").write_text("no database at all " * 100, "utf-8")
    with pytest.raises(InvalidDatabase, match="another program"):
        check_file(str(foreign))
    with pytest.raises(InvalidDatabase, match="format 0"):
        check_file(str(later))
    with pytest.raises(InvalidDatabase, match="cannot be read"):
        check_file(str(tmp_path / "text.db"))
    with pytest.raises(InvalidDatabase, match="no folder"):
        check_file(str(tmp_path / "nowhere" / "party.db"))
    with pytest.raises(InvalidDatabase, match="is a device"):
        check_file(os.devnull)
    with pytest.raises(InvalidDatabase, match="is a folder"):
        check_file(str(tmp_path))


async def test_sqlite_rejects_a_damaged_file(file: Path) -> None:
    async with opened(file) as log:
        await log.append(Note(id="a"))
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * 8192)
    with pytest.raises(InvalidDatabase, match="malformed"):
        check_file(str(file))


@pytest.mark.parametrize(
    "store",
    ["sqlite:", "sqlite:///party.db", "sqlite::memory:", "sqlite: a.db", "a"],
)
def test_store_url_that_names_no_file_is_rejected(store: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:party\.db"):
        validate_store_url(store)


async def test_sqlite_rejects_messages_while_its_file_is_gone(
    file: Path,
) -> None:
    async with opened(file) as log:
        await log.append(Note(id="a"))
        moved = file.with_name("moved.db")
        await asyncio.to_thread(file.rename, moved)
        for _ in range(2):
            with pytest.raises(MessageRejected, match="cannot store this now"):
                await log.append(Note(id="b"))
            await asyncio.to_thread(file.touch)
        await asyncio.to_thread(moved.rename, file)
        await log.append(Note(id="b"))
        assert [each.seq for each in log] == [0, 1]


async def test_sqlite_polls_again_for_what_it_failed_to_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stored(file) as store, opened(file) as other:
        log = await log_of(store, "1")
        await other.append(Note(id="a"))
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "read_from", fail)
            for _ in range(2):
                with pytest.raises(StorageError):
                    await store._poll()
        await store._poll()
        assert [each.id for each in log] == ["a"]


def overwrite(file: Path, at: int = 0) -> None:
    """Write what is no database, without a change of the size."""
    size = file.stat().st_size
    with file.open("r+b") as damaged:
        damaged.seek(at)
        damaged.write(b"\xff" * (size - at))


def restore(file: Path) -> None:
    """Copy another valid file over it, as from a backup."""
    open_file(str(file.with_name("backup.db"))).close()
    shutil.copy(file.with_name("backup.db"), file)


def replace(file: Path) -> None:
    """Put a copy in its place."""
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


DAMAGE = {
    "": {
        "removed": Path.unlink,
        "replaced": replace,
        "truncated": partial(os.truncate, length=4096),
        "emptied": partial(os.truncate, length=0),
        "overwritten": overwrite,
        "overwritten in the middle": partial(overwrite, at=4096),
        "restored": restore,
    },
    "-wal": {
        "removed": Path.unlink,
        "replaced": replace,
        "truncated": partial(os.truncate, length=4096),
        "emptied": partial(os.truncate, length=0),
        "overwritten": overwrite,
    },
    "-shm": {"removed": Path.unlink},
}


@pytest.mark.parametrize(
    ("suffix", "what"),
    [(suffix, what) for suffix, each in DAMAGE.items() for what in each],
)
async def test_sqlite_acknowledges_nothing_once_its_file_is_damaged(
    file: Path, caplog: pytest.LogCaptureFixture, suffix: str, what: str
) -> None:
    """But after what another program may do: a checkpoint, or a look."""

    async with opened(file) as log, opened(file) as other:
        await log.append(Note(id="a", text="x" * 20_000))
        with closing(sqlite3.connect(file)) as program:
            program.execute("PRAGMA wal_checkpoint")
        await other.append(Note(id="b"))
        await asyncio.to_thread(file.touch)
        await log.append(Note(id="c"))
        damaged = file.with_name(file.name + suffix)
        await asyncio.to_thread(DAMAGE[suffix][what], damaged)
        for id in "dde":
            with pytest.raises(MessageRejected, match="cannot store this now"):
                await log.append(Note(id=id))
        assert [each.id for each in log] == [*"abc"]
        assert [each.id for each in await log.before(2, 9)] == [*"ab"]
    (line,) = caplog.messages
    assert f"{damaged} was " in line or f"{damaged} is no " in line
    assert "messages in memory are still shown" in line


def test_server_explains_what_to_do_about_a_damaged_file(
    tmp_path: Path,
) -> None:
    """And what it had acknowledged is there again when it has ended well."""
    file = tmp_path / "party.db"
    with start(STAGES[-1], STORE=f"sqlite:{file}") as running:
        with running.join() as ada, running.join("room-4") as eve:
            eve.say("x" * 4_000)
            eve.wait_for("ack")
            kept = ada.say("before")
            ada.wait_for("ack")
            file.with_name("party.db-wal").unlink()
            for _ in range(2):
                lost = ada.say("lost")
                refusal = ada.wait_for("error", id=lost["id"])
                assert refusal["message"] == CANNOT_STORE
            with running.join() as bob:
                (told,) = bob.wait_for("history")["messages"]
                assert told["id"] == kept["id"]
        (line,) = running.errors().splitlines()
        assert f"{file}-wal is no longer there" in line
        assert "put back or the server is started again" in line
        running.stop()
        running.start()
        with running.join() as ada:
            (told,) = ada.wait_for("history")["messages"]
            assert told["id"] == kept["id"]
        running.stop()
        running.start()
        overwrite(file, at=4096)
        with pytest.raises(InvalidStatus, match="503"), running.join("room-4"):
            pass


def test_message_that_a_crash_cut_off_is_interrupted() -> None:
    reply = AIMessage()
    read = Message.model_validate_json(reply.model_dump_json())
    read.on_load()
    assert (read.status, read.body) == ("interrupted", "…")


def test_reply_in_progress_survives_a_killed_server(
    tmp_path: Path,
) -> None:
    file = tmp_path / "party.db"
    settings = {"AI": "openai", "STORE": f"sqlite:{file}"}
    with (
        OpenAIStub() as openai,
        start(
            STAGES[-1], OPENAI_BASE_URL=openai.base_url, **settings
        ) as running,
    ):
        openai.held = True
        with running.join() as ada, closing(sqlite3.connect(file)) as reader:
            ada.say("How far will it come?")
            exchange = openai.next_request()
            exchange.step(2)
            text = "".join(exchange.said[:2])
            ada.hear(text)
            deadline = time.monotonic() + PATIENCE
            query = "SELECT count(*) FROM entries WHERE instr(entry, ?)"
            while not reader.execute(query, [text]).fetchone()[0]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            running.kill()
        running.start()
        with running.join() as ada:
            _, reply = ada.wait_for("history")["messages"]
            assert (reply["body"], reply["status"]) == (text, "interrupted")
            assert reply["in_reply_to"]["body"] == "How far will it come?"


def test_messages_survive_a_killed_server(
    tmp_path: Path,
) -> None:
    with start(
        STAGES[1],
        STORE=f"sqlite:{tmp_path}/party.db",
        HISTORY_LIMIT="3",
        MAX_MESSAGES_PER_SECOND="100",
    ) as running:
        with running.join() as ada:
            epoch = ada.wait_for("history")["epoch"]
            said = [ada.say(f"hello {number}")["id"] for number in range(8)]
            assert [ada.wait_for("ack")["id"] for _ in said] == said
            running.kill()
        running.start()
        with running.join() as ada:
            history = ada.wait_for("history")
            assert history["epoch"] == epoch
            told = [each["id"] for each in history["messages"]]
            page = running.page("hello-world", before=5)
            assert [each["id"] for each in page["messages"]] + told == said
            assert page["epoch"] == epoch
            assert running.page("hello-world", before=0)["messages"] == []
