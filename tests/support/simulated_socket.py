"""A WebSocket without a network: frames wait until the test moves them."""

import asyncio
import json
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from .pages import Page

if TYPE_CHECKING:
    from .simulated_server import SimulatedServer

Event = dict[str, Any]

LOST = 1006

ENDS = {LOST, 1008, 1012, 1013}
"""With what the server may close a connection."""


class SimulatedSocket:
    """A WebSocket, and the frames that are on their way, in both directions.

    It is also what ASGI and our own protocol are for the server's end.
    """

    def __init__(self, server: "SimulatedServer", id: str) -> None:
        self.server = server
        self.id = id
        self.up: deque[Event] = deque([{"type": "websocket.connect"}])
        self.down: deque[Event] = deque()
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.begun = False
        self.ended = False
        server.sockets.append(self)
        self.writable = asyncio.Event()
        self.writable.set()

    def push(self, most: int = 1_000) -> bool:
        """Have frames come to the server: whether there were any."""
        there = bool(self.up)
        for _ in range(min(most, len(self.up))):
            event = self.up.popleft()
            if event["type"] == "websocket.connect":
                self.begun = True
                self.server.take(self)
            self.server.hear(event)
            # After it has closed a socket, uvicorn reads no more from it.
            if not self.ended or event["type"] == "websocket.disconnect":
                self.inbox.put_nowait(event)
        return there

    def cut(self, up: int = 0, down: int = 0) -> None:
        """Break in the middle: of what is on its way, so many arrive."""
        self.up = deque([*self.up][:up] if self.begun else [])
        self.down = deque([*self.down][:down])
        self.part(LOST)
        self.down.append({"type": "websocket.close", "code": LOST})

    def part(self, code: int) -> None:
        """Tell the server, after all that is on its way, that it is over.

        A handshake that comes after another one of the page is left out.
        """
        if not self.begun:
            self.up.clear()
        self.up.append({"type": "websocket.disconnect", "code": code})

    def lose(self) -> None:
        """Break in such a way that the server alone notices."""
        self.up.clear()
        self.part(LOST)
        self.push()
        self.ended = True

    async def receive(self) -> Event:
        """Give the server what has come."""
        return await self.inbox.get()

    async def send(self, event: Event) -> None:
        """Take what the server sends."""
        if self.ended:
            return
        if event["type"].startswith("websocket.http.response"):
            event = {"type": "websocket.close", "code": LOST}
        self.ended = event["type"] == "websocket.close"
        self.server.tell(event)
        self.down.append(event)

    def buffered_bytes(self) -> int:
        """How much is on its way to the page."""
        return len(self.down)

    def attach(self, *_: object) -> None:
        """Read what comes as it comes."""

    def stop_reading(self) -> None:
        """Nobody floods here."""

    def close_now(self, code: int, reason: str) -> None:
        """Close without waiting for the page."""
        if not self.ended:
            self.down.append({"type": "websocket.close", "code": code})
        self.ended = True


class Tab:
    """A page, and the socket that it hears."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.loads = count()
        self.id = f"{page.name}-{next(self.loads)}"
        self.socket: SimulatedSocket | None = None
        self.is_open = False
        self.refused: list[str] = []

    @property
    def is_slow(self) -> bool:
        """Whether nothing comes by itself."""
        return self.socket is not None and not self.socket.writable.is_set()

    def connect(self, server: "SimulatedServer") -> None:
        """Begin to open a socket."""
        self.socket = SimulatedSocket(server, self.id)

    def reload(self) -> None:
        """Load the page again."""
        self.part(1001)
        self.page.reload()
        self.id = f"{self.page.name}-{next(self.loads)}"

    def part(self, code: int) -> None:
        """Let go of the socket, which the server will notice."""
        if self.socket:
            self.socket.down.clear()
            self.socket.part(code)
        self.socket, self.is_open = None, False

    def cut(self, up: int, down: int) -> None:
        """Break the connection, as a socket does."""
        if self.socket:
            self.socket.cut(up, down)

    def lose(self) -> None:
        """Break the connection, which the page does not notice."""
        if self.socket:
            self.socket.lose()

    def slow_down(self, slow: bool) -> None:
        """Read slowly, or fast again."""
        if self.socket and slow:
            self.socket.writable.clear()
        elif self.socket:
            self.socket.writable.set()

    def mend(self) -> None:
        """Read fast, and notice if there is nobody at the other end.

        Whoever has something to say notices it anyway.
        """
        self.slow_down(False)
        speaks = self.is_open and self.page.stored()
        if self.socket and self.socket.ended and not speaks:
            self.socket.cut()

    def say(self, body: str) -> str:
        """Say something: its id."""
        id = self.page.say(body)
        self.post()
        return id

    def retry(self, id: str) -> None:
        """Press “Try again”."""
        self.page.retry(id)
        self.post()

    def failed(self) -> list[str]:
        """The ids of what was not sent, as the page says."""
        shown = self.page.shown()
        return [each["id"] for each in shown if "error" in each]

    def urge(self) -> bool:
        """Try again what was refused: whether anything waits."""
        for id in self.failed()[:3]:
            self.retry(id)
        return not self.is_open or bool(self.page.stored())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.page.advance(seconds * 1000)
        self.post()

    def pull(self, most: int = 1_000) -> bool:
        """Have frames come to the page: whether there were any."""
        if not self.socket or not self.socket.down:
            return False
        down, frames = self.socket.down, list[Event]()
        for event in [down.popleft() for _ in range(min(most, len(down)))]:
            if event["type"] == "websocket.send":
                frames.append(json.loads(event["text"]))
            elif event["type"] == "websocket.accept":
                self.page.open()
                self.is_open = True
            else:
                self.take(frames)
                assert event["code"] in ENDS
                self.page.close(event["code"])
                self.part(event["code"])
                return True
        self.take(frames)
        return True

    def take(self, frames: list[Event]) -> None:
        """Have frames come from the server."""
        refused = (each.get("id") for each in frames if each["type"] == "error")
        self.refused += filter(None, refused)
        self.page.receive(*frames)
        self.post()

    def post(self) -> None:
        """Put what the page has sent on its socket; it may have given it up."""
        for frame in self.page.sent():
            assert self.socket
            event = {"type": "websocket.receive", "text": json.dumps(frame)}
            self.socket.up.append(event)
        if self.is_open and not self.page.is_open:
            self.part(1000)
