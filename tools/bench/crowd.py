"""A crowd in one room: one client sends, the others receive."""

import selectors
import socket
import time
from bisect import bisect_right
from typing import cast

from tools.bench.room_client import (
    RECEIVE_TIMEOUT,
    RoomClient,
    close_sockets,
    receive,
)
from tools.bench.stream_checker import DeliveryError, StreamChecker

QUIET_SECONDS = 0.05
"""Seconds without data after which nothing more is expected."""

SENDER = -1


class Crowd:
    """The clients in a room; all but one are readers."""

    def __init__(self, client: RoomClient, people: int) -> None:
        self.client = client
        self.checker = StreamChecker()
        self.sent = 0
        self.positions = [0] * (people - 1)
        self.selector = selectors.DefaultSelector()
        self.sender, _ = client.join()
        self.selector.register(self.sender, selectors.EVENT_READ, SENDER)
        for number in range(people - 1):
            sock, data = client.join()
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)
            self.positions[number] = self.checker.feed(0, data)
        while self.delivered < 0:
            self.wait()

    @property
    def delivered(self) -> int:
        """The last message that all have received; -1: not the history yet."""
        return bisect_right(self.checker.ends, min(self.positions)) - 1

    def chat(self, in_flight: int, seconds: float) -> int:
        """Keep messages in flight until all arrived; return their count."""
        before = self.sent
        end = time.monotonic() + seconds
        while (
            is_sending := time.monotonic() < end
        ) or self.delivered < self.sent:
            if is_sending:
                self.send(in_flight - (self.sent - self.delivered))
            self.wait()
        return self.sent - before

    def send(self, count: int) -> None:
        """Send the next messages, in one write."""
        numbers = range(self.sent + 1, self.sent + count + 1)
        self.sender.sendall(b"".join(map(self.client.message_frame, numbers)))
        self.sent += count

    def wait(self) -> None:
        """Wait for data, and check it."""
        if not self.receive(RECEIVE_TIMEOUT):
            lost = self.delivered + 1
            raise DeliveryError(f"message {lost} did not reach everybody")

    def receive(self, seconds: float) -> bool:
        """Check data that arrives in time; return whether any did."""
        events = self.selector.select(seconds)
        for key, _ in events:
            data = receive(cast(socket.socket, key.fileobj))
            if key.data != SENDER:
                position = self.positions[key.data]
                self.positions[key.data] = self.checker.feed(position, data)
            elif b'"error"' in data:
                raise DeliveryError(f"the sender got an error: {data!r}")
        return bool(events)

    def check_silence(self) -> None:
        """Check that everything has arrived, and nothing else."""
        while self.receive(QUIET_SECONDS):
            pass
        if self.delivered != self.sent:
            raise DeliveryError(f"{self.sent} messages became {self.delivered}")

    def close(self) -> None:
        """Close the sockets."""
        close_sockets(self.selector)
