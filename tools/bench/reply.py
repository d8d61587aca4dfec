"""What an AI's reply costs, which a hundred people see grow."""

import json
import selectors
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

from tools.bench import wire
from tools.bench.door import PATIENCE, Door, receive
from tools.bench.running import Running, running
from tools.bench.servers import COMPRESSING, PARTY_CHAT, STARLETTE, Server
from tools.bench.story import QUESTION, STORY, recording
from tools.bench.stream import Stream, Wrong

PEOPLE = 100
ROOM = "on-page-help"


class Viewer(Stream):
    """One who sees the reply grow; each frame is read for each."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ""

    def _check(self, kind: int, payload: bytes) -> None:
        if kind != wire.TEXT:
            raise Wrong(f"{payload!r} came instead of a message")
        message = json.loads(payload).get("message", {})
        if message.get("role") != "assistant":
            return
        if message.get("status") != "thinking":
            if not message["body"].startswith(self.body):
                raise Wrong("a reply did not grow")
            self.body = message["body"]


class Audience:
    """Those who are in the room; the first of them asks."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.viewers = [Viewer() for _ in range(PEOPLE)]
        self.selector = selectors.DefaultSelector()
        for viewer in self.viewers:
            sock, data = door.join()
            viewer.hear(0, data)
            self.selector.register(sock, selectors.EVENT_READ, viewer)
            self.asker = sock
        while not all(viewer.ends for viewer in self.viewers):
            self.listen()

    def ask(self) -> float:
        """Ask, until everybody has the whole reply: KB for each."""
        before = self.received()
        self.asker.sendall(self.door.say(1, QUESTION))
        while any(viewer.body != STORY for viewer in self.viewers):
            self.listen()
        return (self.received() - before) / PEOPLE / 1_000

    def received(self) -> int:
        """Bytes that came, to all of them."""
        return sum(len(viewer.data) for viewer in self.viewers)

    def listen(self) -> None:
        """Take what has come, or wait for it."""
        events = self.selector.select(PATIENCE)
        if not events:
            raise Wrong("the reply did not come to its end")
        for key, _ in events:
            data = receive(cast(socket.socket, key.fileobj))
            key.data.hear(len(key.data.data), data)
