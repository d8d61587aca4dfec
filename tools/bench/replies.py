"""Measure a streamed reply: bytes for each client, and CPU time."""

import json
import selectors
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

from tests.support.ws_frames import TEXT
from tools.bench.room_client import (
    RECEIVE_TIMEOUT,
    RoomClient,
    close_sockets,
    receive,
)
from tools.bench.servers import (
    COMPRESSING,
    PARTY_CHAT,
    STARLETTE,
    ServerRun,
    run_server,
)
from tools.bench.stream_checker import DeliveryError, StreamChecker
from tools.bench.texts import QUESTION, STORY, recording

ROOM = "hello-world"
PEOPLE = 100


class ReplyChecker(StreamChecker):
    """A check that one client sees the reply grow."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ""

    def _check(self, opcode: int, payload: bytes) -> None:
        if opcode != TEXT:
            raise DeliveryError(f"{payload!r} came instead of a message")
        message = json.loads(payload).get("message", {})
        if message.get("role") != "assistant":
            return
        if message.get("status") != "thinking":
            if not message["body"].startswith(self.body):
                raise DeliveryError("the reply did not grow")
            self.body = message["body"]


class Audience:
    """The clients in the room; the last of them asks."""

    def __init__(self, client: RoomClient) -> None:
        self.client = client
        self.checkers = [ReplyChecker() for _ in range(PEOPLE)]
        self.selector = selectors.DefaultSelector()
        for checker in self.checkers:
            self.asker, data = client.join()
            checker.feed(0, data)
            self.selector.register(self.asker, selectors.EVENT_READ, checker)
        while not all(checker.ends for checker in self.checkers):
            self.wait()

    def ask(self) -> float:
        """Ask, and wait for the whole reply; return bytes per client."""
        before = self.received()
        self.asker.sendall(self.client.message_frame(1, QUESTION))
        while any(checker.body != STORY for checker in self.checkers):
            self.wait()
        return (self.received() - before) / PEOPLE

    def received(self) -> int:
        """Return the bytes that all clients received."""
        return sum(len(checker.data) for checker in self.checkers)

    def wait(self) -> None:
        """Wait for data, and check it."""
        events = self.selector.select(RECEIVE_TIMEOUT)
        if not events:
            raise DeliveryError("the reply did not come to its end")
        for key, _ in events:
            data = receive(cast(socket.socket, key.fileobj))
            key.data.feed(len(key.data.data), data)


class ReplyResults:
    """Kilobytes for each client and CPU seconds, by the server's name."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, tuple[float, float]]] = []

    def rows(self) -> list[list[str]]:
        """Return a table row for each server, with its medians."""
        rows = []
        for name in self.rounds[0]:
            size = median(each[name][0] for each in self.rounds)
            used = median(each[name][1] for each in self.rounds)
            rows.append([name, f"{size:.0f}", f"{used:.2f}"])
        return rows


def measure_replies(
    replies: ReplyResults, rounds: int, report_progress: Callable[[str], None]
) -> None:
    """Let all servers stream the same reply at the same time, in each round."""
    for number in range(rounds):
        report_progress(f"round {number + 1} of {rounds}: a reply that grows")
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            folder = stack.enter_context(TemporaryDirectory())
            file = Path(folder) / "story.jsonl"
            file.write_text(recording(), "utf-8")
            ours = replace(PARTY_CHAT, settings={"AI": f"replay:{file}"})
            servers = [ours, COMPRESSING, STARLETTE]
            runs = [stack.enter_context(run_server(each)) for each in servers]
            figures = pool.map(measure, runs)
            names = [each.name for each in servers]
            replies.rounds.append(dict(zip(names, figures, strict=True)))


def measure(run: ServerRun) -> tuple[float, float]:
    """Ask one server; return kilobytes per client, and CPU seconds."""
    with run.attribute_errors():
        audience = Audience(run.client(ROOM))
        before = run.cpu_seconds()
        size = audience.ask()
        used = run.cpu_seconds() - before
        close_sockets(audience.selector)
    return size / 1_000, used
