"""A server that is killed while people talk, and two on one file.

`make soak` runs it.
"""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ..conftest import STAGES
from ..support.server_process import ServerProcess, start

pytestmark = [pytest.mark.soak, pytest.mark.timeout(240)]

PEOPLE, EACH, KILLS = 5, 80, 8

UNBOUND = {"HISTORY_LIMIT": "5000", "MAX_MESSAGES_PER_SECOND": "10000"}


class Person:
    """Somebody who sends each message until it is acknowledged."""

    def __init__(self, name: str, running: ServerProcess, each: int) -> None:
        self.name, self.port = name, running.port
        self.left = [f"{name} {number}" for number in range(each)]
        self.unsure: list[str] = []
        self.seqs: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.sent = asyncio.Event()
        self.online = False

    @property
    def done(self) -> bool:
        return not (self.left or self.unsure)

    async def talk(self) -> None:
        """Come back as often as it takes."""
        while not self.done:
            with suppress(ConnectionClosed, InvalidHandshake, OSError):
                async with connect(
                    f"ws://127.0.0.1:{self.port}/parties/chatroom/room-4",
                    proxy=None,
                    max_size=None,
                ) as socket:
                    self.online = True
                    await self.go_on(socket)
            self.online = False
            await asyncio.sleep(0.02)

    async def go_on(self, socket: ClientConnection) -> None:
        """Send what was not acknowledged, and then the next, one by one."""
        self.hear(json.loads(await socket.recv()))
        while not self.done:
            if not self.unsure:
                self.unsure = [self.left.pop(0)]
            for id in self.unsure:
                message = {"id": id, "user": self.name, "body": id}
                frame = {"type": "message", "message": message}
                await socket.send(json.dumps(frame))
                self.sent.set()
            while self.unsure:
                self.hear(json.loads(await socket.recv()))

    def hear(self, frame: dict[str, Any]) -> None:
        """Take up what somebody said, or what became of one's own."""
        if frame["type"] == "ack":
            self.see(frame)
            self.seqs[frame["id"]] = frame["seq"]
            self.unsure = [id for id in self.unsure if id != frame["id"]]
        for each in frame.get("messages", []):
            self.see(each)
        if frame["type"] == "update":
            self.see(frame["message"])

    def see(self, message: dict[str, Any]) -> None:
        """See a message at its sequence number, which never changes."""
        id, seq = message["id"], message["seq"]
        assert self.seen.setdefault(id, seq) == seq


async def kill_often(running: ServerProcess, people: list[Person]) -> int:
    """Kill the server again and again; return how often a send was in doubt."""
    doubtful = 0
    for kill in range(KILLS):
        enough = (kill + 1) * PEOPLE * EACH // (KILLS + 2)
        while sum(len(each.seqs) for each in people) < enough:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        anybody = people[kill % PEOPLE]
        anybody.sent.clear()
        await anybody.sent.wait()
        running.process.send_signal(signal.SIGKILL)
        while any(each.online for each in people):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        doubtful += any(each.unsure for each in people)
        await asyncio.to_thread(running.kill)
        await asyncio.to_thread(running.start)
    return doubtful


def told(running: ServerProcess) -> list[tuple[int, str]]:
    """Return the history of a newcomer: sequence numbers and ids."""
    with running.join("room-4", max_size=None) as newcomer:
        messages = newcomer.wait_for("history")["messages"]
        return [(each["seq"], each["id"]) for each in messages]


def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    async def test(running: ServerProcess) -> tuple[list[Person], int]:
        names = "Ada", "Ben", "Eve", "Kim", "Zoe"
        people = [Person(name, running, EACH) for name in names]
        talks = [asyncio.create_task(p.talk()) for p in people]
        doubtful = await kill_often(running, people)
        await asyncio.gather(*talks)
        return people, doubtful

    store = f"sqlite:{tmp_path}/party.db"
    with start(STAGES[1], STORE=store, **UNBOUND) as running:
        people, doubtful = asyncio.run(test(running))
        history = told(running)
    print(f"{KILLS} kills, {doubtful} of them with a send in doubt")
    assert doubtful >= KILLS // 2
    ids = {f"{p.name} {number}" for p in people for number in range(EACH)}
    assert [seq for seq, _ in history] == list(range(PEOPLE * EACH))
    assert {id for _, id in history} == ids
    kept = {id: seq for seq, id in history}
    for person in people:
        assert person.seqs.items() <= kept.items()
        assert person.seen.items() <= kept.items()
