"""Inputs that were valid once, or nearly (stage 5).

Each is answered, or changes nothing; another guest in the room goes on as if
nothing had happened, and the server takes no more memory than before.
"""

import importlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from hashlib import blake2b
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import msgpack
import pytest
from pydantic import TypeAdapter

from shared.chat.moderation import Moderation
from shared.party import MessageRejected

from ..support import frame_fuzzer
from ..support.frame_fuzzer import FrameFuzzer
from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
)

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

SEED = int(os.environ.get("SEED", "5"))
TIMES = int(os.environ.get("TIMES", "1"))
"""TIMES=10 SEED=6 sends ten times as many inputs, and others."""

INPUTS = {"chat": 8_000, "presence": 6_000, "usage": 4_000, "posts": 500}
"""Inputs of each kind."""

CORPORA = {
    "chat": (frame_fuzzer.chat, 0.95),
    "presence": (frame_fuzzer.presence, 0.3),
    "usage": (frame_fuzzer.usage, 0.7),
}
"""Valid frames, and how many of them are JSON."""

WARM = 10
"""Of so many inputs, the first is there to warm the server up."""

VISIT = 100
"""Frames that come at once; presence slows down who sends it more."""

FULL = 10_000
"""Messages that a room remembers at most."""

MAX_MEMORY_GROWTH = 10 * 1024
"""KiB that the server may take more of in the end."""

ROOM = "room-4"

JOIN = {
    "type": "join",
    "presence": {"cursor": None, "message": None},
    "info": {"name": "Bob"},
}


def text_or_bytes(data: bytes) -> str | bytes:
    """Text where it can be, mostly; what is text can also go as bytes."""
    try:
        return data if sum(data) % 4 == 0 else data.decode()
    except UnicodeDecodeError:
        return data


class Fuzz:
    """Sends inputs, of which no two are the same, and looks what comes."""

    def __init__(self, running: ServerProcess, schema: Any) -> None:
        self.running = running
        self.schema = schema
        self.user = TypeAdapter(schema.User)
        self.presence_of_a_user = TypeAdapter(schema.Presence)
        self.seen: set[bytes] = set()
        self.answers: Counter[str] = Counter()

    def inputs(self, party: str, count: int) -> Iterator[list[bytes]]:
        """So many inputs that were not there yet, a visit's worth at once."""
        made = FrameFuzzer(SEED + len(self.seen), *CORPORA[party])
        fresh: list[bytes] = []
        for _ in range(count):
            known = len(self.seen)
            while len(self.seen) == known:
                data = made.next()
                name = party.encode() + data
                self.seen.add(blake2b(name, digest_size=12).digest())
            fresh.append(data)
        for at in range(0, count, VISIT):
            yield fresh[at : at + VISIT]

    def fill(self) -> None:
        """Say as much in the room as it remembers."""
        with self.enter("chatroom") as eve:
            eve.wait_for("history")
            for number in range(FULL):
                eve.say("x" * 200, user="Eve", id=f"fill{number}")
                assert eve.next()["type"] == "ack"

    def enter(
        self, party: str, room: str = ROOM
    ) -> AbstractContextManager[WebSocketClient]:
        """Be in a room."""
        return self.running.join(room, party, compression=None)

    def chat(self, count: int) -> None:
        """Each is answered, and Bob hears what was taken."""
        with self.enter("chatroom") as eve, self.enter("chatroom") as bob:
            eve.wait_for("history")
            bob.wait_for("history")
            for inputs in self.inputs("chat", count):
                for each in inputs:
                    eve.send(text_or_bytes(each))
                told = [eve.next()["type"] for _ in inputs]
                assert {*told} <= {"ack", "error"}
                self.answers.update(told)
                said = bob.say("it still works", user="Bob")
                while (heard := bob.next())["type"] == "update":
                    assert isinstance(heard["message"]["body"], str)
                assert (heard["type"], heard["id"]) == ("ack", said["id"])
                assert eve.next()["message"]["id"] == said["id"]

    def presence(self, count: int) -> None:
        """Each is refused in words, or Bob is told of it."""
        with self.running.join(ROOM, "presence", pk="bob") as bob:
            bob.send(JOIN)
            for inputs in self.inputs("presence", count):
                frames = [text_or_bytes(each) for each in inputs]
                refused, joins = self.judge(frames)
                with self.enter("presence") as eve:
                    for each in (*frames, json.dumps(JOIN)):
                        eve.send(each)
                    told: Counter[str] = Counter()
                    while told["sync"] < joins + 1:
                        told[self.kind(eve.socket.recv(PATIENCE))] += 1
                    assert told["error"] == refused
                    self.answers["error"] += refused
                    self.answers["taken"] += len(inputs) - refused
                while not self.sees_somebody_go(bob.socket.recv(PATIENCE)):
                    pass

    def judge(self, frames: list[str | bytes]) -> tuple[int, int]:
        """How many of these are to be refused, and how many let one join."""
        refused = joins = 0
        for each in frames:
            try:
                size = len(each.encode() if isinstance(each, str) else each)
                if size > 1024:
                    raise MessageRejected("It is too large.")
                message = self.schema.decode(each or "")
                if message["type"] == "join":
                    Moderation().check_cursor_name(message["info"]["name"])
                    joins += 1
            except MessageRejected:
                refused += 1
        return refused, joins

    def kind(self, told: str | bytes) -> str:
        """The server's frames, which are well-formed after any input."""
        if isinstance(told, str):
            return str(json.loads(told)["type"])
        message = msgpack.unpackb(told)
        users = message.get("users", {}) | message.get("add", {})
        for user in users.values():
            self.user.validate_python(user)
        for presence in message.get("presence", {}).values():
            self.presence_of_a_user.validate_python(presence)
        return str(message["type"])

    def sees_somebody_go(self, told: str | bytes) -> bool:
        """Whether Bob is told that somebody has left."""
        assert isinstance(told, bytes)
        assert self.kind(told) in ("sync", "changes")
        return bool(msgpack.unpackb(told).get("remove"))

    def usage(self, count: int) -> None:
        """Bodies that are too large are refused, and the tally stays."""
        with self.enter("usage", "total") as eve:
            assert eve.next() == {"tally": 0}
            for inputs in self.inputs("usage", count):
                for each in inputs:
                    eve.send(text_or_bytes(each))
                assert eve.socket.ping().wait(PATIENCE)
                with suppress(TimeoutError):
                    while True:
                        assert eve.next(0)["type"] == "error"  # it is large
                self.answers["ignored"] += len(inputs)
        with self.enter("usage", "total") as newcomer:
            assert newcomer.next() == {"tally": 0}

    def posts(self, count: int) -> None:
        """Each is refused, also at invented rooms; the tally stays."""
        connection = HTTPConnection(
            "127.0.0.1", self.running.port, timeout=PATIENCE
        )
        for inputs in self.inputs("usage", count):
            for data in inputs:
                connection.request("POST", "/parties/usage/total", data)
                with connection.getresponse() as answer:
                    assert answer.status == 403
                    assert json.loads(answer.read())["error"]
                name = quote(data[:200], safe="")
                connection.request("GET", f"/parties/presence/{name}")
                with connection.getresponse() as answer:
                    assert answer.status == 404
                    answer.read()
                self.answers["403"] += 1
        connection.close()
        assert self.running.get("/parties/usage/total").json() == {"tally": 0}


@pytest.mark.timeout(300 * TIMES)
def test_fuzzed_inputs_do_no_harm(
    serve: Callable[..., ServerProcess],
    stage: Stage,
    memory: Callable[[ServerProcess], int],
) -> None:
    print(f"SEED={SEED}")
    running = serve(MAX_MESSAGES_PER_SECOND="1000000", HISTORY_LIMIT="10")
    module = f"{stage.folder.name}.party.presence_schema"
    fuzz = Fuzz(running, importlib.import_module(module))
    fuzz.fill()
    inputs = {kind: count * TIMES for kind, count in INPUTS.items()}
    for kind, count in inputs.items():
        getattr(fuzz, kind)(count // WARM)
    before = memory(running)
    for kind, count in inputs.items():
        getattr(fuzz, kind)(count - count // WARM)
    more = memory(running) - before
    print(f"{len(fuzz.seen):,} inputs: {dict(fuzz.answers)}; {more:,} KiB more")
    assert len(fuzz.seen) == sum(inputs.values())
    assert sum(fuzz.answers.values()) == len(fuzz.seen)
    assert more < MAX_MEMORY_GROWTH
