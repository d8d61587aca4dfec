"""A crowd in one room: one speaks, everybody else listens."""

import selectors
import socket
import time
from bisect import bisect_right
from typing import cast

from tools.bench.door import PATIENCE, Door, leave, receive
from tools.bench.stream import Stream, Wrong

SETTLED = 0.05
"""Seconds of silence after which nothing more is to come."""

SENDER = -1


class Crowd:
    """Some people in a room; all but one are readers."""

    def __init__(self, door: Door, people: int) -> None:
        self.door = door
        self.stream = Stream()
        self.sent = 0
        self.places = [0] * (people - 1)
        self.selector = selectors.DefaultSelector()
        self.sender, _ = door.join()
        self.selector.register(self.sender, selectors.EVENT_READ, SENDER)
        for number in range(people - 1):
            sock, data = door.join()
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)
            self.places[number] = self.stream.hear(0, data)
        while self.heard < 0:
            self.listen()

    @property
    def heard(self) -> int:
        """The last message that all have heard; -1: not even the history."""
        return bisect_right(self.stream.ends, min(self.places)) - 1

    def talk(self, at_once: int, seconds: float) -> int:
        """Keep some messages in flight, until all arrive; tells how many."""
        before = self.sent
        end = time.monotonic() + seconds
        while (going := time.monotonic() < end) or self.heard < self.sent:
            if going:
                self.say(at_once - (self.sent - self.heard))
            self.listen()
        return self.sent - before

    def say(self, count: int) -> None:
        """Say the next messages, in one write."""
        numbers = range(self.sent + 1, self.sent + count + 1)
        self.sender.sendall(b"".join(map(self.door.say, numbers)))
        self.sent += count

    def listen(self) -> None:
        """Take what has come, or wait for it."""
        if not self.take(PATIENCE):
            raise Wrong(f"message {self.heard + 1} did not reach everybody")

    def take(self, seconds: float) -> bool:
        """Take what comes within that time, if anything does."""
        events = self.selector.select(seconds)
        for key, _ in events:
            data = receive(cast(socket.socket, key.fileobj))
            if key.data != SENDER:
                place = self.places[key.data]
                self.places[key.data] = self.stream.hear(place, data)
            elif b'"error"' in data:
                raise Wrong(f"the speaker was told: {data!r}")
        return bool(events)

    def settle(self) -> None:
        """See that all have heard all of it, and nothing else."""
        while self.take(SETTLED):
            pass
        if self.heard != self.sent:
            raise Wrong(f"{self.sent} messages became {self.heard}")

    def leave(self) -> None:
        """Close the sockets."""
        leave(self.selector)
