"""The behaviour of logs, the same with every storage backend.

A new backend is one more line in BACKENDS.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.chat.messages import AIMessage, Message
from shared.party import DuplicateMessage, Entry, Log, MessageRejected
from shared.party.storage import store as stores
from shared.party.storage.backend import Backend
from shared.party.storage.sqlite import SQLiteBackend
from shared.party.storage.store import Store

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "sqlite": lambda folder: SQLiteBackend(str(folder / "party.db")),
}
"""Those that outlive the process, by name."""


class Note(Entry):
    text: str = ""


class Total(Entry):
    amount: int
    total: int = 0

    def accumulate(self, previous: "Total | None") -> None:
        """Add up."""
        self.total = self.amount + (previous.total if previous else 0)


class Process:
    """Opens stores as a process does: several share one backend."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    @asynccontextmanager
    async def store(self, max_entries: int = 1_000) -> AsyncIterator[Store]:
        """Open a store for the block."""
        make = BACKENDS.get(self.name)
        store = Store(max_entries, make(self.folder) if make else None)
        await store.start()
        try:
            yield store
        finally:
            await store.stop()

    @asynccontextmanager
    async def log(self, max_entries: int = 1_000) -> AsyncIterator[Log[Note]]:
        """Open the log of one room for the block."""
        async with self.store(max_entries) as store:
            yield await open_log(store, "1")


async def open_log(store: Store, room: str) -> Log[Note]:
    """Return a room's log, as a room that starts does."""
    await store.load("chat", room)
    return store.log("chat", room, Note)


@pytest.fixture(params=["memory", *BACKENDS])
def every(request: pytest.FixtureRequest, tmp_path: Path) -> Process:
    """Run a test with each backend, and without one."""
    return Process(request.param, tmp_path)


@pytest.fixture(params=BACKENDS)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Process:
    """Run a test with each backend."""
    return Process(request.param, tmp_path)


def ids(log: Log[Any]) -> list[str]:
    """Return the ids of a log's entries."""
    return [each.id for each in log]


def seqs(log: Log[Any]) -> list[int]:
    """Return the sequence numbers of a log's entries."""
    return [each.seq for each in log]


async def test_log_reads_like_a_list(every: Process) -> None:
    async with every.log() as log:
        notes = [Note(id=letter, text=letter) for letter in "abc"]
        for note in notes:
            await log.append(note)
        assert len(log) == 3
        assert list(log) == log[:] == notes
        assert (log[0], log[-1], log[1:]) == (notes[0], notes[2], notes[1:])
        assert notes[1] in log
        assert log.index(notes[2]) == 2
        assert list(reversed(log)) == notes[::-1]
        with pytest.raises(IndexError):
            log[3]


async def test_log_numbers_concurrent_appends_in_order(every: Process) -> None:
    async with every.log() as log:
        notes = [Note(id=str(number)) for number in range(1_000)]
        await asyncio.gather(*map(log.append, notes))
        assert seqs(log) == list(range(1_000))
        assert ids(log) == [each.id for each in notes]


async def test_log_keeps_entries_without_an_id_apart(every: Process) -> None:
    async with every.log(max_entries=2) as log:
        for _ in range(4):
            await log.append(Note(text="tick"))
        assert seqs(log) == [2, 3]


async def test_log_accumulates_totals_of_concurrent_appends(
    every: Process,
) -> None:
    async with every.store() as store:
        await store.load("usage", "1")
        log = store.log("usage", "1", Total)
        await asyncio.gather(
            *(log.append(Total(amount=each)) for each in range(1, 11))
        )
        assert [each.total for each in log][-3:] == [36, 45, 55]


async def test_log_stores_an_entry_that_comes_twice_once(
    every: Process,
) -> None:
    async with every.log() as log:
        await log.append(Note())
        results = await asyncio.gather(
            *(log.append(Note(id="a", text="hello")) for _ in range(3)),
            log.append(Note(id="a", text="goodbye")),
            log.append(Note(id="b")),
            return_exceptions=True,
        )
        first, *again, other, last = results
        assert first is last is None
        for each in again:
            assert isinstance(each, DuplicateMessage)
            assert each.frame == {"type": "ack", "id": "a", "seq": 1}
        assert isinstance(other, MessageRejected)
        assert not isinstance(other, DuplicateMessage)
        assert (other.frame["type"], other.frame["id"]) == ("error", "a")
        assert [each.text for each in log] == ["", "hello", ""]
        assert seqs(log) == [0, 1, 2]


async def test_log_knows_ids_of_evicted_entries(
    every: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory at least the newest 50; a backend has all."""
    monkeypatch.setattr(Log, "max_old_ids", 50)

    async with every.log(max_entries=10) as log:
        for number in range(40):
            await log.append(Note(id=f"{number}", text="mine"))
        assert len(log) == 10
        with pytest.raises(DuplicateMessage) as duplicate:
            await log.append(Note(id="0", text="mine"))
        ack = {"type": "ack", "id": "0", "seq": 0}
        assert duplicate.value.frame == ack
        with pytest.raises(MessageRejected) as rejected:
            await log.append(Note(id="7", text="another's"))
        assert rejected.value.frame["type"] == "error"
        for number in range(40, 200):
            await log.append(Note(id=f"{number}", text="mine"))
        with pytest.raises(MessageRejected):
            await log.append(Note(id="145", text="another's"))
        if every.name == "memory":
            await log.append(Note(id="0", text="after very long"))
        await log.clear()
        await log.append(Note(id="199", text="after a clearing"))


async def test_log_update_keeps_the_seq_of_the_entry(every: Process) -> None:
    async with every.log() as log:
        reply = Note(id="reply", text="Thinking…")
        await log.append(reply)
        await log.append(Note(id="other"))
        revision = log.revision
        reply.text = "Yes."
        await log.update(reply)
        assert log.revision > revision
        await log.append(Note(id="next"))
        assert ids(log) == ["reply", "other", "next"]
        assert (log[0].text, log[0].seq) == ("Yes.", 0)
        # The update took the sequence number 2.
        assert log[2].seq == 3
        edited = Note(id="other", text="edited")
        await log.update(edited)
        assert (log[1], edited.seq) == (edited, 1)
        with pytest.raises(DuplicateMessage):
            await log.append(Note(id="other", text="edited"))
        with pytest.raises(MessageRejected):
            await log.update(Note(id="unknown"))
        assert await log.before(2, 1) == [edited]


async def test_log_that_is_cleared_begins_a_new_epoch(every: Process) -> None:
    async with every.store() as store:
        log, other = await open_log(store, "1"), await open_log(store, "2")
        assert log.epoch == other.epoch == store.epoch
        reply = Note(id="a", text="old")
        await log.append(reply)
        await log.append(Note(id="b"))
        await other.append(Note(id="a"))
        await log.clear()
        assert list(log) == []
        assert log.epoch != store.epoch == other.epoch
        assert log.start == 3
        assert store.log("chat", "1", Note) is log
        with pytest.raises(MessageRejected, match="cleared"):
            await log.update(reply)
        await log.append(Note(id="a", text="new"))
        assert [(each.text, each.seq) for each in log] == [("new", 3)]
        assert len(other) == 1


async def test_store_keeps_logs_of_one_room_apart_by_name(
    every: Process,
) -> None:
    async with every.store() as store:
        main = await open_log(store, "1")
        marks = store.log("chat", "1", Note, "marks/ü")
        await main.append(Note(id="a"))
        await marks.append(Note(id="a", text="mark"))
        await marks.clear()
        await marks.append(Note(id="b"))
        assert (seqs(main), seqs(marks)) == ([0], [2])
        assert store.logs(Note) == {("chat", "1"): main}


async def test_store_finds_main_logs_by_their_model(every: Process) -> None:
    async with every.store() as store:
        models = {"chat": Message, "notes": Note, "ai": AIMessage}
        for party, model in models.items():
            store.log(party, "1", model)
        assert list(store.logs(Message)) == [("chat", "1"), ("ai", "1")]
        assert list(store.logs(Note)) == [("notes", "1")]


async def test_store_keeps_a_log_whose_room_is_released(every: Process) -> None:
    async with every.store() as store:
        await (await open_log(store, "1")).append(Note(id="a"))
        await open_log(store, "empty")
        for room in ("1", "empty"):
            store.release("chat", room)
        is_stored = every.name != "memory"
        assert list(store.logs(Note)) == [("chat", "1")][is_stored:]
        assert ids(await open_log(store, "1")) == ["a"]


def test_store_in_memory_has_an_epoch_of_its_own() -> None:
    assert Store().epoch != Store().epoch


async def test_log_is_there_again_after_a_restart(lasting: Process) -> None:
    async with lasting.log() as log:
        first = Note(id="a", text="begun")
        await log.append(first)
        await log.append(Note(id="b"))
        first.text = "done"
        await log.update(first)
        epoch = log.epoch
    async with lasting.log(max_entries=2) as log:
        texts = [(each.id, each.text) for each in log]
        assert texts == [("a", "done"), ("b", "")]
        assert log.epoch == epoch
        await log.append(Note(id="c"))
        assert seqs(log) == [1, 3]
        with pytest.raises(DuplicateMessage) as duplicate:
            await log.append(Note(id="a", text="done"))
        assert duplicate.value.frame["seq"] == 0
        with pytest.raises(MessageRejected, match="Another message"):
            await log.append(Note(id="a", text="begun"))


async def test_named_logs_are_there_again_after_a_restart(
    lasting: Process,
) -> None:
    for number in range(2):
        async with lasting.store() as store:
            main = await open_log(store, "1")
            marks = store.log("chat", "1", Note, "marks/ü")
            assert (len(main), len(marks)) == (number * 2, number)
            await main.append(Note())
            await main.append(Note())
            await marks.append(Note(text="mark"))
            assert seqs(marks) == list(range(number + 1))


async def test_two_processes_make_one_order(lasting: Process) -> None:
    async with lasting.log() as one, lasting.log() as two:
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
        assert seqs(one) == list(range(203))
        assert len(set(ids(one))) == 203
        assert ids(two) == ids(one)[:-1]


async def test_two_processes_accumulate_one_total(lasting: Process) -> None:
    async with lasting.store() as one, lasting.store() as two:
        for store in one, two:
            await store.load("usage", "1")
        logs = [each.log("usage", "1", Total) for each in (one, two)]
        for number in range(1, 11):
            await logs[number % 2].append(Total(amount=number))
        assert [each.total for each in logs[0]][-2:] == [45, 55]


async def test_log_that_another_process_cleared_begins_again(
    lasting: Process,
) -> None:
    async with lasting.log() as one, lasting.log() as two:
        old = Note(id="old")
        await one.append(old)
        await two.append(Note(id="older"))
        await one.clear()
        await two.append(Note(id="new"))
        assert ids(two) == ["new"]
        assert one.epoch == two.epoch != one.epoch.partition("-")[0]
        with pytest.raises(MessageRejected, match="cleared"):
            await two.update(old)
    async with lasting.log() as log:
        assert [(each.id, each.seq) for each in log] == [("new", 3)]
        assert log.epoch == two.epoch


async def test_log_appends_after_a_clear_that_it_missed(
    lasting: Process,
) -> None:
    """Entries before that clear left the sequence number free."""

    async with lasting.log() as one, lasting.log() as two:
        await one.append(Note(id="a"))
        for _ in range(3):
            await two.append(Note())
        await two.clear()
        new = Note(id="new")
        await one.append(new)
        assert new.seq == two.start == one.start == 5
        assert one.epoch == two.epoch
        await two.append(Note(id="next"))
        assert (ids(one), ids(two)) == (["new"], ["new", "next"])


async def test_log_reads_earlier_entries_from_the_backend(
    lasting: Process,
) -> None:
    async with lasting.log(max_entries=3) as log:
        for number in range(10):
            await log.append(Note(id=str(number)))
        assert ids(log) == ["7", "8", "9"]
        assert [each.id for each in await log.before(7, 2)] == ["5", "6"]
        assert [each.id for each in await log.before(9, 1)] == ["8"]
        assert await log.before(0, 5) == []


async def test_store_lists_rooms_that_nobody_has_entered(
    lasting: Process,
) -> None:
    rooms = {"1", "a/b", "50% ü", "..", "c d", "1-", "1.", "10", ""}
    async with lasting.store() as store:
        for room in rooms:
            await (await open_log(store, room)).append(Note())
            await store.log("chat", room, Note, "marks").append(Note())
    async with lasting.store() as store:
        await open_log(store, "1")
        found = await store.unloaded_rooms(100)
        assert sorted(found) == sorted(("chat", room) for room in rooms - {"1"})
        assert len(await store.unloaded_rooms(2)) <= 2


async def test_log_takes_up_by_itself_what_another_process_writes(
    lasting: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "POLL_INTERVAL", 0.01)

    async def until(found: Callable[[], bool]) -> None:
        while not found():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async with lasting.store() as store, lasting.log() as two:
        changes: list[Entry | None] = []
        store.on_external_change = lambda _, entry: changes.append(entry)
        one = await open_log(store, "1")
        await one.append(Note(id="a"))
        await two.append(Note(id="b"))
        await until(lambda: len(changes) == 1)
        assert ids(one) == ["a", "b"]
        await one.append(Note(id="c"))
        await until(lambda: len(two) == 3)
        await two.update(Note(id="a", text="edited"))
        await until(lambda: one[0].text == "edited")
        assert len(changes) == 2
        await two.clear()
        await until(lambda: not one)
        assert one.epoch == two.epoch
        assert changes[-1] is None
