"""A simulated guest of a demo, who chats and moves a cursor as a page does."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

ROOM = "hello-world"

MAX_CURSORS = 100
"""Guests with a cursor: each of them receives the moves of all others."""

MOVES_PER_SECOND = 15

QUESTION_SHARE = 0.1
"""The part of the messages that are questions for the AI."""

STAY_MESSAGES, AWAY_MESSAGES = (6, 30), (0.5, 3)
"""The least and the most messages for which there is time during a stay, and
while a guest is away."""

RETRY_SECONDS = 0.2, 1.2
"""The least and the most seconds until another attempt to connect."""

HTTP_TIMEOUT = 2.0


def read_lines(path: Path) -> dict[str, list[str]]:
    """Return the lines of a file below each `[heading]`."""
    sections: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(line)
    return sections


LINES = read_lines(Path(__file__).with_name("guests.txt"))


def guest_name(number: int) -> str:
    """Return a name that no other guest has."""
    initials, at = divmod(number, len(LINES["names"]))
    initial = f" {chr(ord('A') + initials - 1)}." if initials else ""
    return LINES["names"][at] + initial


def join_frame(name: str) -> bytes:
    """Return the presence frame with which a page joins."""
    join = {"type": "join", "presence": {}, "info": {"name": name}}
    return bytes(msgpack.packb(join))


def move_frame(x: float, y: float) -> bytes:
    """Return the presence frame of a move."""
    cursor = {"x": x, "y": y, "pointer": "mouse"}
    presence = {"cursor": cursor, "message": None}
    return bytes(msgpack.packb({"type": "update", "presence": presence}))


@dataclass
class Totals:
    """The counts of all guests."""

    connections: Counter[str] = field(default_factory=Counter)
    """Open connections, by party."""
    sent: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The sequence number of each message, by its id."""
    refused: int = 0


class Guest:
    """A simulated person, with a browser's cookie and a page."""

    def __init__(
        self, totals: Totals, address: str, number: int, pace: float
    ) -> None:
        self.totals = totals
        self.address = address
        self.pace = pace
        self.name = guest_name(number)
        self.is_silent = False
        """Whether no new messages are added."""
        self.parties: dict[str, Callable[[ClientConnection], Awaitable[None]]]
        self.parties = {"chatroom": self.chat}
        if number < MAX_CURSORS:
            self.parties["presence"] = self.move
        self.unacknowledged: dict[str, str] = {}
        """The frames of messages that are sent again, by id."""
        self._has_greeted = False
        self._page = token_hex(8)
        self._attempts = 0
        self._build = ""
        self._cookies = CookieJar()
        self._opener = build_opener(
            ProxyHandler({}), HTTPCookieProcessor(self._cookies)
        )

    async def run(self) -> None:
        """Come and go, until cancelled."""
        await asyncio.sleep(random.random() * self.pace)
        while True:
            stay = random.uniform(*STAY_MESSAGES) * self.pace
            with suppress(TimeoutError):
                async with asyncio.timeout(stay), asyncio.TaskGroup() as group:
                    for party in self.parties:
                        group.create_task(self._keep_connected(party))
            await asyncio.sleep(random.uniform(*AWAY_MESSAGES) * self.pace)

    async def _keep_connected(self, party: str) -> None:
        """Be in a room of a party; reconnect whenever that is needed."""
        address = self.address.replace("http", "ws", 1)
        while True:
            # OSError includes timeouts, and answers like 404 and 503.
            with suppress(OSError, WebSocketException):
                await asyncio.to_thread(self.load_page)
                self._attempts += 1
                async with connect(
                    f"{address}/parties/{party}/{ROOM}?_pk={self._page}"
                    f"&attempt={self._page}-{self._attempts}",
                    additional_headers={"Cookie": self._cookie()},
                    compression=None,
                    proxy=None,
                    max_size=None,
                    close_timeout=1,
                ) as connection:
                    await self._use(party, connection)
            await asyncio.sleep(random.uniform(*RETRY_SECONDS))

    async def _use(self, party: str, connection: ClientConnection) -> None:
        """Act in a room, and read its frames, while the connection lasts."""
        acting = asyncio.ensure_future(self.parties[party](connection))
        self.totals.connections[party] += 1
        try:
            async for frame in connection:
                # Most frames are about others: they are not parsed.
                start = frame[:20]
                if isinstance(start, str) and (
                    '"ack"' in start or '"error"' in start
                ):
                    self.receive(json.loads(frame))
        finally:
            self.totals.connections[party] -= 1
            acting.cancel()

    def load_page(self) -> None:
        """Load the page when another build runs, and at first.

        Raises ConnectionError while the server starts or ends.
        """
        build, _, _ = self._get("/build").partition(" ")
        if not build:
            raise ConnectionError("the server ends")
        if build != self._build:
            self._get(f"/chats/{ROOM}")
            self._build = build

    def _get(self, path: str) -> str:
        url = self.address + path
        with self._opener.open(url, timeout=HTTP_TIMEOUT) as response:
            return str(response.read().decode())

    def _cookie(self) -> str:
        """Return the cookie header that a browser sends."""
        return "; ".join(f"{each.name}={each.value}" for each in self._cookies)

    async def chat(self, connection: ClientConnection) -> None:
        """Say something at the guest's pace."""
        with suppress(ConnectionClosed):
            while True:
                for frame in list(self.unacknowledged.values()):
                    await connection.send(frame)
                await asyncio.sleep(random.uniform(0.5, 1.5) * self.pace)
                if not self.is_silent:
                    self.add_message()

    def add_message(self) -> None:
        """Add a message to those that are sent."""
        section = "chat" if self._has_greeted else "greetings"
        if self._has_greeted and random.random() < QUESTION_SHARE:
            section = "questions"
        self._has_greeted = True
        id = token_hex(16)
        message = {
            "id": id,
            "user": self.name,
            "body": random.choice(LINES[section]),
            "role": "user",
        }
        frame = {"type": "message", "message": message}
        self.unacknowledged[id] = json.dumps(frame)
        self.totals.sent += 1

    def receive(self, frame: dict[str, Any]) -> None:
        """Note that a message was acknowledged or refused.

        One with `retry_after` goes out again with the next message.
        """
        id = frame.get("id", "")
        if frame["type"] == "ack":
            if self.unacknowledged.pop(id, None):
                self.totals.acknowledged[id] = frame["seq"]
        else:
            self.totals.refused += 1
            if "retry_after" not in frame:
                self.unacknowledged.pop(id, None)

    async def move(self, connection: ClientConnection) -> None:
        """Move the cursor from place to place, with pauses."""
        with suppress(ConnectionClosed):
            await connection.send(join_frame(self.name))
            x, y = random.random(), random.random()
            while True:
                target = random.random(), random.random()
                for _ in range(MOVES_PER_SECOND * 2):
                    x += (target[0] - x) / 8
                    y += (target[1] - y) / 8
                    await connection.send(move_frame(x, y))
                    await asyncio.sleep(1 / MOVES_PER_SECOND)
                await asyncio.sleep(random.uniform(0.5, 6))
