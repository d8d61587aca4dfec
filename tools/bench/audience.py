"""A hundred clients that see a reply grow."""

import json
import selectors
import socket
from typing import cast

from tests.support.ws_frames import TEXT
from tools.bench.room_client import (
    RECEIVE_TIMEOUT,
    RoomClient,
    close_sockets,
    receive,
)
from tools.bench.stream_checker import DeliveryError, StreamChecker
from tools.bench.texts import QUESTION, STORY

PEOPLE = 100


class ReplyChecker(StreamChecker):
    """Checks that one client sees the reply grow."""

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

    def close(self) -> None:
        """Close the sockets."""
        close_sockets(self.selector)
