"""A chat room's log: its ids, its history frame, and its pages."""

import asyncio
import json

import pytest
from pydantic_core import to_json

from shared.chat.messages import (
    MAX_HISTORY_BYTES,
    AIMessage,
    Message,
    recent_messages,
)
from shared.party import (
    Entry,
    Frame,
    Log,
    Server,
)
from shared.party.encoding import encode
from shared.party.paging import MAX_PAGE_BYTES, encode_page
from shared.party.registry import PartyRegistry
from shared.party.storage.store import Store


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


@pytest.mark.parametrize("body", ["hi", "\N{BALLOON}" * 4_000])
async def test_history_is_bounded_and_older_pages_hold_the_rest(
    body: str,
) -> None:
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


async def test_history_is_encoded_once_until_something_changes() -> None:
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
        lambda: log.update(Message(id="a", user="Ada", body="hello")),
        log.clear,
    ):
        await change()
        frames.append(history(log))
        assert frames[-1] is history(log)
    assert len(set(frames)) == len(frames) == 8


def test_ai_message_with_half_an_emoji_breaks_no_frame() -> None:
    reply = AIMessage()
    reply.set_text("Dolphins! \ud83d")
    assert b"Dolphins! " in to_json(reply)
    reply.set_text("Dolphins! \ud83d\udc2c")
    assert reply.body == "Dolphins! 🐬"


async def test_page_names_the_epoch_of_its_entries() -> None:
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


async def test_room_with_several_logs_pages_its_main_one() -> None:
    registry = PartyRegistry({"chat": Server})
    async with registry.enter("chat", "1") as server:
        marks = server.room.log(Note, name="marks")
        main = server.room.log(Note)
        await marks.append(Note(id="a"))
        assert (len(main), len(marks)) == (0, 1)
        assert server.room.log(Note, name="marks") is marks
        assert server.room.page_log is main
