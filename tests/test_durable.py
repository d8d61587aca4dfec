"""What a room remembers in a file: it outlives the process."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.messages import Message, Reply
from shared.party import Entry, Log, Refused, Repeated
from shared.party.disk import BUSY, WrongFile, check
from shared.party.durable import DurableStore

from .conftest import STAGES
from .running import start


class Note(Entry):
    text: str = ""


@asynccontextmanager
async def opened(file: Path, most: int = 1_000) -> AsyncIterator[Log[Note]]:
    """The log of one room in a file, as one process has it."""
    store = DurableStore(str(file), most)
    await store.start()
    try:
        await store.load("chat", "1")
        yield store.log("chat", "1", Note)
    finally:
        await store.stop()


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[Path], Awaitable[None]]], None]:
    """Run a test in a loop, with a file."""

    def run(test: Callable[[Path], Awaitable[None]]) -> None:
        async def main() -> None:
            await test(tmp_path / "party.db")

        asyncio.run(main())

    return run


Run = Callable[[Callable[[Path], Awaitable[None]]], None]


def test_a_log_is_there_again_when_its_file_is_opened_again(run: Run) -> None:
    """Seen to catch: an epoch of its own; the second entry of a reply."""

    async def test(file: Path) -> None:
        async with opened(file) as log:
            first = Note(id="a", text="begun")
            await log.append(first)
            await log.append(Note(id="b"))
            first.text = "done"
            await log.append(first)
            epoch = log.epoch
        async with opened(file) as log:
            assert [(each.id, each.text) for each in log] == [
                ("a", "done"),
                ("b", ""),
            ]
            assert log.epoch == epoch
            await log.append(Note(id="c"))
            assert [each.place for each in log] == [0, 1, 3]

    run(test)


def test_what_came_twice_is_kept_once_also_after_a_restart(run: Run) -> None:
    """Seen to catch: an index that is not unique."""

    async def test(file: Path) -> None:
        async with opened(file) as log:
            await log.append(Note(id="a", text="hello"))
        async with opened(file, most=1) as log:
            await log.append(Note(id="b"))
            with pytest.raises(Repeated) as repeated:
                await log.append(Note(id="a", text="hello"))
            assert repeated.value.frame["place"] == 0
            with pytest.raises(Refused, match="Another message"):
                await log.append(Note(id="a", text="goodbye"))

    run(test)


def test_two_owners_make_one_order(run: Run) -> None:
    """Seen to catch: INSERT OR REPLACE; no look at what was missed."""

    async def test(file: Path) -> None:
        async with opened(file) as one, opened(file) as two:
            logs = {"one": one, "two": two}
            await asyncio.gather(
                *(
                    log.append(Note(id=f"{name} {number}"))
                    for number in range(100)
                    for name, log in logs.items()
                )
            )
            await one.append(Note(id="last of one"))
            await two.append(Note(id="last of two"))
            await one.append(Note(id="end"))
            ids = [each.id for each in one]
            assert [each.place for each in one] == list(range(203))
            assert len(set(ids)) == 203
            assert [each.id for each in two] == ids[:-1]

    run(test)


def test_a_log_that_another_process_cleared_begins_again(run: Run) -> None:
    """Seen to catch: clearing without a place of its own."""

    async def test(file: Path) -> None:
        async with opened(file) as one, opened(file) as two:
            old = Note(id="old")
            await one.append(old)
            await two.append(Note(id="older"))
            await one.clear()
            await two.append(Note(id="new"))
            assert [each.id for each in two] == ["new"]
            assert one.epoch == two.epoch != one.epoch.partition("-")[0]
            with pytest.raises(Refused, match="cleared"):
                await two.append(old)
        async with opened(file) as log:
            assert [(each.id, each.place) for each in log] == [("new", 3)]
            assert log.epoch == two.epoch

    run(test)


def test_earlier_entries_come_from_the_file(run: Run) -> None:
    async def test(file: Path) -> None:
        async with opened(file, most=3) as log:
            for number in range(10):
                await log.append(Note(id=str(number)))
            assert [each.id for each in log] == ["7", "8", "9"]
            found = await log.before(7, 2)
            assert [each.id for each in found] == ["5", "6"]
            assert [each.id for each in await log.before(9, 1)] == ["8"]
            assert await log.before(0, 5) == []

    run(test)


def test_what_cannot_be_kept_is_refused_and_the_log_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.party.disk.BUSY", BUSY / 40)

    async def test(file: Path) -> None:
        async with opened(file) as log:
            await log.append(Note(id="a"))
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Refused) as refused:
                await log.append(Note(id="b"))
            assert refused.value.frame["id"] == "b"
            other.execute("ROLLBACK")
            other.close()
            await log.append(Note(id="b"))
            assert [(each.id, each.place) for each in log] == [
                ("a", 0),
                ("b", 1),
            ]

    run(test)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """Seen to catch: no look at application_id, or at user_version."""
    foreign, later = tmp_path / "foreign.db", tmp_path / "later.db"
    for file, pragma in (
        (foreign, "PRAGMA user_version = 1"),
        (later, "PRAGMA application_id = 0x50617274"),
    ):
        database = sqlite3.connect(file)
        database.execute("CREATE TABLE other (x)")
        database.execute(pragma)
        database.close()
    (tmp_path / "text.db").write_text("no database at all " * 100)
    with pytest.raises(WrongFile, match="another program"):
        check(str(foreign))
    with pytest.raises(WrongFile, match="format 0"):
        check(str(later))
    with pytest.raises(WrongFile, match="cannot be read"):
        check(str(tmp_path / "text.db"))
    with pytest.raises(WrongFile, match="no folder"):
        check(str(tmp_path / "nowhere" / "party.db"))


def test_a_reply_that_a_crash_cut_off_is_not_waited_for() -> None:
    reply = Reply()
    read = Message.model_validate_json(reply.model_dump_json())
    read.recall()
    assert (read.status, read.body) == ("interrupted", "…")


def test_what_was_said_outlives_a_server_that_is_killed(
    tmp_path: Path,
) -> None:
    """Seen to catch: a store that is never opened."""
    with start(
        STAGES[1],
        STORE=f"sqlite:{tmp_path}/party.db",
        HISTORY="3",
        MESSAGES_A_SECOND="100",
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
            ada.send({"type": "older", "before": 5})
            older = ada.wait_for("older")["messages"]
            assert [each["id"] for each in older] + told == said
            ada.send({"type": "older", "before": 0})
            assert ada.wait_for("older")["messages"] == []
