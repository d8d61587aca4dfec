"""What a room remembers: a log that reads like a list."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from shared.chat.messages import (
    MAX_HISTORY_BYTES,
    AIMessage,
    Message,
    recent_messages,
)
from shared.party import (
    Connection,
    DuplicateMessage,
    Entry,
    Frame,
    Log,
    MessageRejected,
    Server,
)
from shared.party.encoding import encode
from shared.party.paging import MAX_PAGE_BYTES, encode_page
from shared.party.storage.sqlite import SQLiteBackend
from shared.party.storage.store import Store

from ..support.party_server import serve_parties


class Note(Entry):
    text: str = ""


@pytest.fixture
def log() -> Log[Note]:
    return Store().log("chat", "1", Note)


def append(*entries: Note, to: Log[Note]) -> None:
    """Append them one by one."""

    async def do() -> None:
        for entry in entries:
            await to.append(entry)

    asyncio.run(do())


def history(log: Log[Message]) -> Frame:
    """The frame that a chat room sends to a newcomer."""
    return encode(
        {
            "type": "history",
            "epoch": log.epoch,
            "messages": recent_messages(log),
        }
    )


def test_a_log_reads_like_a_list(log: Log[Note]) -> None:
    notes = [Note(id=letter, text=letter) for letter in "abc"]
    append(*notes, to=log)
    assert len(log) == 3
    assert list(log) == log[:] == notes
    assert (log[0], log[-1], log[1:]) == (notes[0], notes[2], notes[1:])
    assert notes[1] in log
    assert log.index(notes[2]) == 2
    assert list(reversed(log)) == notes[::-1]
    with pytest.raises(IndexError):
        log[3]


def test_places_are_given_one_after_another(log: Log[Note]) -> None:
    async def append_all() -> None:
        work: list[Coroutine[Any, Any, None]] = [
            log.append(Note(id=str(number))) for number in range(100)
        ]
        await asyncio.gather(*work)

    asyncio.run(append_all())
    assert [note.seq for note in log] == list(range(100))


def test_entries_without_a_name_are_all_kept(log: Log[Note]) -> None:
    append(Note(text="tick"), Note(text="tick"), to=log)
    assert [note.seq for note in log] == [0, 1]


def test_what_is_said_again_is_kept_once(log: Log[Note]) -> None:
    append(Note(id="x"), Note(id="a", text="hello"), Note(id="b"), to=log)
    with pytest.raises(DuplicateMessage) as repeated:
        append(Note(id="a", text="hello"), to=log)
    assert repeated.value.frame == {"type": "ack", "id": "a", "seq": 1}
    append(Note(id="c"), to=log)
    assert [note.seq for note in log] == [0, 1, 2, 3]


def test_another_entry_under_the_same_name_is_refused(log: Log[Note]) -> None:
    append(Note(id="a", text="hello"), to=log)
    with pytest.raises(MessageRejected) as refused:
        append(Note(id="a", text="goodbye"), to=log)
    assert not isinstance(refused.value, DuplicateMessage)
    assert refused.value.frame["type"] == "error"
    assert refused.value.frame["id"] == "a"
    assert [note.text for note in log] == ["hello"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_log_knows_ids_of_entries_that_it_forgot(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory at least the newest 50; the file has all."""
    monkeypatch.setattr(Log, "max_old_ids", 50)
    backends = {"memory": None, "sqlite": SQLiteBackend(f"{tmp_path}/d")}
    store = Store(10, backends[kind])

    async def test() -> None:
        await store.start()
        await store.load("chat", "1")
        log = store.log("chat", "1", Note)
        for number in range(40):
            await log.append(Note(id=f"{number}", text="mine"))
        assert len(log) == 10
        with pytest.raises(DuplicateMessage) as repeated:
            await log.append(Note(id="0", text="mine"))
        assert repeated.value.frame == {"type": "ack", "id": "0", "seq": 0}
        with pytest.raises(MessageRejected) as refused:
            await log.append(Note(id="7", text="another's"))
        assert refused.value.frame["type"] == "error"
        for number in range(40, 200):
            await log.append(Note(id=f"{number}", text="mine"))
        with pytest.raises(MessageRejected):
            await log.append(Note(id="145", text="another's"))
        if kind == "memory":
            await log.append(Note(id="0", text="after very long"))
        await log.clear()
        await log.append(Note(id="199", text="after a clearing"))
        await store.stop()

    asyncio.run(test())


def test_id_of_a_forgotten_message_cannot_be_taken() -> None:
    class Chat(Server):
        def on_start(self) -> None:
            self.notes = self.room.log(Note)

        async def on_message(self, message: Frame, sender: Connection) -> None:
            note = Note.model_validate_json(message)
            await self.notes.append(note)
            self.room.broadcast({"type": "update", "message": note})

    with serve_parties(chat=Chat) as moderation:
        moderation.parties.store.max_entries = 10
        with (
            moderation.join("1", "chat") as ada,
            moderation.join("1", "chat") as eve,
        ):
            for number in range(30):
                ada.send({"id": f"{number}", "text": "hers"})
                assert eve.wait_for("update")["message"]["seq"] == number
            eve.send({"id": "3", "text": "his"})
            assert eve.next()["id"] == "3"
            eve.send({"id": "30", "text": "his"})
            assert eve.next()["message"]["id"] == "30"
            ada.until("the next", lambda frame: frame["message"]["id"] == "30")


def test_a_reply_keeps_the_place_that_it_took_first(log: Log[Note]) -> None:
    reply, other = Note(id="reply", text="Thinking…"), Note(id="other")
    append(reply, other, to=log)
    reply.text = "Yes."
    asyncio.run(log.update(reply))
    append(Note(id="next"), to=log)
    assert [note.id for note in log] == ["reply", "other", "next"]
    assert (log[0].text, log[0].seq) == ("Yes.", 0)
    # That it is finished was an entry of its own: seq 2.
    assert log[2].seq == 3


def test_a_log_belongs_to_the_store_and_each_store_is_an_epoch() -> None:
    store = Store()
    log = store.log("chat", "1", Note)
    append(Note(), to=log)
    assert store.log("chat", "1", Note) is log
    others = [("chat", "2"), ("usage", "1")]
    assert [len(store.log(*each, Note)) for each in others] == [0, 0]
    assert log.epoch == store.log("chat", "2", Note).epoch == store.epoch
    assert Store().epoch != store.epoch


@pytest.mark.parametrize("body", ["hi", "\N{BALLOON}" * 4_000])
def test_history_is_bounded_and_older_pages_hold_the_rest(body: str) -> None:
    async def test() -> None:
        messages = Store().log("chat", "1", Message)
        for number in range(1_005):
            id = str(number)
            await messages.append(Message(id=id, user="Ada", body=body))
        frame = json.loads(history(messages))
        newest = [message["seq"] for message in frame["messages"]]
        seqs = newest
        while seqs[0]:
            page = await encode_page(messages, seqs[0])
            assert len(page) <= MAX_PAGE_BYTES + 100
            told = [each["seq"] for each in json.loads(page)["messages"]]
            seqs = told + seqs
        assert seqs == list(range(1_005))
        assert len(newest) == (1_000 if body == "hi" else 32)
        assert len(history(messages).encode()) <= MAX_HISTORY_BYTES

    asyncio.run(test())


def test_history_is_encoded_once_until_something_changes() -> None:
    async def test() -> None:
        log = Store().log("chat", "1", Message)
        reply = AIMessage()

        async def write() -> None:
            reply.set_text(f"{reply.body} more")

        async def finish() -> None:
            reply.finish()
            await log.update(reply)

        frames = [history(log)]
        for change in (
            lambda: log.append(Message(id="a", user="Ada", body="hi")),
            lambda: log.append(reply),
            write,
            write,
            finish,
            log.clear,
        ):
            await change()
            frames.append(history(log))
            assert frames[-1] is history(log)
        assert len(set(frames)) == len(frames) == 7

    asyncio.run(test())


def test_half_an_emoji_from_a_model_breaks_no_frame() -> None:
    reply = AIMessage()
    reply.set_text("Dolphins! \ud83d")
    assert b"Dolphins! " in to_json(reply)
    reply.set_text("Dolphins! \ud83d\udc2c")
    assert reply.body == "Dolphins! 🐬"


def test_a_log_that_is_cleared_begins_again() -> None:
    store = Store()
    log, other = store.log("chat", "1", Note), store.log("chat", "2", Note)
    append(Note(id="a", text="old"), Note(id="b"), to=log)
    append(Note(id="a"), to=other)
    asyncio.run(log.clear())
    assert list(log) == []
    assert log.epoch != store.epoch == other.epoch
    assert store.log("chat", "1", Note) is log
    append(Note(id="a", text="new"), to=log)
    assert [(note.text, note.seq) for note in log] == [("new", 3)]
    assert len(other) == 1


def test_page_names_the_epoch_of_its_entries() -> None:
    async def test() -> None:
        log = Store().log("chat", "1", Message)
        for id in "abc":
            await log.append(Message(id=id, user="Ada", body="hello"))
        page = json.loads(await encode_page(log, 2))
        assert [each["id"] for each in page["messages"]] == [*"ab"]
        assert page["epoch"] == log.epoch
        await log.clear()
        await log.append(Message(id="d", user="Ada", body="hello"))
        cleared = json.loads(await encode_page(log, 3))
        assert cleared == {"epoch": log.epoch, "messages": []}
        assert cleared["epoch"] != page["epoch"]

    asyncio.run(test())


def test_a_reply_that_was_begun_before_it_was_cleared_is_not_kept(
    log: Log[Note],
) -> None:
    reply = Note(id="reply", text="Thinking…")
    append(reply, to=log)
    asyncio.run(log.clear())
    with pytest.raises(MessageRejected):
        asyncio.run(log.update(reply))
    assert list(log) == []


def test_a_store_knows_which_logs_hold_what() -> None:
    store = Store()
    for name, model in (("chat", Message), ("notes", Note), ("ai", AIMessage)):
        store.log(name, "1", model)
    assert list(store.logs(Message)) == [("chat", "1"), ("ai", "1")]
    assert list(store.logs(Note)) == [("notes", "1")]
