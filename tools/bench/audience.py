"""A hundred people who see a reply grow."""

import json
import selectors
import socket
from typing import cast

from tests.support.ws_frames import TEXT
from tools.bench.door import PATIENCE, Door, leave, receive
from tools.bench.story import QUESTION, STORY
from tools.bench.stream import Stream, Wrong

PEOPLE = 100


class Viewer(Stream):
    """One who sees the reply grow; each has a stream of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ""

    def _check(self, kind: int, payload: bytes) -> None:
        if kind != TEXT:
            raise Wrong(f"{payload!r} came where a message was due")
        message = json.loads(payload).get("message", {})
        if message.get("role") != "assistant":
            return
        if message.get("status") != "thinking":
            if not message["body"].startswith(self.body):
                raise Wrong("the reply did not grow")
            self.body = message["body"]


class Audience:
    """Those who are in the room; the last of them asks."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.viewers = [Viewer() for _ in range(PEOPLE)]
        self.selector = selectors.DefaultSelector()
        for viewer in self.viewers:
            self.asker, data = door.join()
            viewer.hear(0, data)
            self.selector.register(self.asker, selectors.EVENT_READ, viewer)
        while not all(viewer.ends for viewer in self.viewers):
            self.listen()

    def ask(self) -> float:
        """Ask, until everybody has the whole reply: bytes for each."""
        before = self.received()
        self.asker.sendall(self.door.say(1, QUESTION))
        while any(viewer.body != STORY for viewer in self.viewers):
            self.listen()
        return (self.received() - before) / PEOPLE

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

    def leave(self) -> None:
        """Close the sockets."""
        leave(self.selector)
