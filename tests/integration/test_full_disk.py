"""A full disk rejects new messages, and everything else goes on."""

import asyncio
import resource
from pathlib import Path

import pytest

from shared.chat.messages import Message
from shared.party.storage.store import open_store
from shared.party.storage.stored_log import CANNOT_STORE

from ..conftest import STAGES
from ..support.server_process import ServerProcess, start
from ..support.stubs import OpenAIStub
from .test_presence import User

LONG = 1_000
"""Messages of four kilobytes, more than are sorted without a file."""

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="this takes Linux"
)


def limit(running: ServerProcess, size: int) -> None:
    """Let no file of a server's grow beyond that, as if the disk were full."""
    sizes = size, resource.RLIM_INFINITY
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, sizes)


async def fill(file: Path) -> None:
    """Store a long history of a room."""
    store = open_store(f"sqlite:{file}", LONG)
    await store.start()
    await store.load("chatroom", "room-4")
    log = store.log("chatroom", "room-4", Message)
    said = [Message(user="Eve", body="x" * 4_000) for _ in range(LONG)]
    await asyncio.gather(*map(log.append, said))
    await store.stop()


def test_full_disk_rejects_messages_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "party.db"
    asyncio.run(fill(file))
    with (
        start(STAGES[-1], STORE=f"sqlite:{file}") as running,
        running.join() as ada,
        running.join() as bob,
        running.join(party="presence", pk="ada") as one,
        running.join(party="presence") as two,
    ):
        bob.wait_for("history")
        before = ada.say("before")
        ada.wait_for("ack")
        User(one).join()
        watcher = User(two)
        watcher.join()

        limit(running, (tmp_path / "party.db-wal").stat().st_size)
        lost = ada.say("lost")
        refusal = {"type": "error", "message": CANNOT_STORE, "id": lost["id"]}
        assert ada.next() == refusal
        User(one).move(0.25)
        watcher.sees("ada", 0.25)
        with running.join("room-4", max_size=None) as eve:
            told = eve.wait_for("history")["messages"]
            assert told[-1]["seq"] == LONG - 1
            eve.say("lost as well", user="Eve")
            assert eve.next()["message"] == CANNOT_STORE

        limit(running, resource.RLIM_INFINITY)
        ada.say("lost", id=lost["id"])
        assert ada.next() == {"type": "ack", "id": lost["id"], "seq": 1}
        said = [{**before, "seq": 0}, {**lost, "seq": 1}]
        assert [bob.next()["message"] for _ in said] == said
        running.kill()
        running.start()
        with running.join() as again:
            assert again.next()["messages"] == said


def test_full_disk_counts_reported_usage_once(
    tmp_path: Path,
) -> None:
    with (
        OpenAIStub() as openai,
        start(
            STAGES[-1],
            AI="openai",
            OPENAI_BASE_URL=openai.base_url,
            STORE=f"sqlite:{tmp_path / 'party.db'}",
        ) as running,
    ):
        openai.held = True
        with (
            running.join() as ada,
            running.join("total", "usage") as watcher,
        ):
            assert watcher.next() == {"tally": 0}
            question = ada.say("Is it full?")["body"]
            exchange = openai.next_request()
            exchange.step(1)
            ada.hear(exchange.said[0])
            limit(running, (tmp_path / "party.db-wal").stat().st_size)
            exchange.release()
            ada.hear(f"You said: {question}")
            assert watcher.next() == {"tally": 0}
            limit(running, resource.RLIM_INFINITY)
            tally = {"tally": sum(exchange.usage())}
            assert watcher.next() == tally
        running.kill()
        running.start()
        assert running.get("/parties/usage/total").json() == tally
