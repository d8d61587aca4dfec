"""Broadcaster: everybody receives all frames, in fewer writes and bytes."""

import asyncio
import base64
import random
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from subprocess import PIPE, Popen
from typing import IO, Any

import pytest
from playwright.sync_api import Browser, Page
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
)
from websockets.sync.client import ClientConnection

from shared.party import Connection, Frame, Server

from ..support.browser import something_runs
from ..support.pages import find_node
from ..support.party_server import (
    HIGH_LIMITS,
    TestServer,
    serve_parties,
    use_fast_transport,
)
from ..support.server_process import PATIENCE, ROOT

INFLATES: dict[str, Any] = {
    "compression": None,
    "extensions": [ClientPerMessageDeflateFactory()],
}
AGREED = "permessage-deflate; client_no_context_takeover"
DOES_NOT: dict[str, Any] = {"compression": None}

LISTEN = """async (url) => {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const text = new TextDecoder();
  const heard = window.heard = [];
  window.end = new Promise((resolve, reject) => {
    socket.onclose = ({ code }) => reject(code);
    socket.onmessage = ({ data }) => {
      heard.push(typeof data === "string" ? data : text.decode(data));
      if (data === "end") resolve(heard);
    };
  });
  await new Promise((resolve) => socket.onopen = resolve);
  return socket.extensions;
}"""


class Stage(Server):
    """Sends frames at random, and notes who should receive each."""

    told: dict[str, list[Frame]]

    async def on_start(self) -> None:
        self.greeting = "welcome"

    async def on_connect(self, connection: Connection, *_: Any) -> None:
        self.told[connection.id].append(self.greeting)
        connection.send(self.greeting)

    async def on_message(self, message: Frame, sender: Connection) -> None:
        chance = random.Random(message)
        reply = ""
        for step in range(400):
            reply = reply[: 4_000 * (step % 60 > 0)]
            reply += f" {chance.choice(['every', 'room', 'is', 'a', 'server'])}"
            reply += f" {chance.randrange(1_000_000)}"
            self.act(chance, f"{step}{reply}")
            if chance.random() < 0.5:
                await asyncio.sleep(chance.choice((0, 0, 0.002)))
        self.greeting = "end"
        self.tell("end")

    def act(self, chance: random.Random, said: str) -> None:
        """Send a frame to everybody, to most, or to one."""
        somebody = chance.choice(self.room.connections())
        kind = chance.randrange(10)
        if kind == 0:
            self.told[somebody.id].append(f"you: {said}")
            somebody.send(f"you: {said}")
        elif kind == 1:
            self.tell(f"not you: {said}", somebody.id)
        elif kind == 2:
            self.tell(said.encode() * chance.choice((1, 40)))
        else:
            if kind == 3:
                # They are slow for a moment: this waits in their outbox.
                somebody._wake_writer()
            self.tell(said)

    def tell(self, frame: Frame, *without: str) -> None:
        """Broadcast, and note to whom."""
        for id in self.room.connections_by_id:
            if id not in without:
                self.told[id].append(frame)
        self.room.broadcast(frame, without)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Frame]]:
    """Return the frames sent to each connection, in order."""
    told: dict[str, list[Frame]] = defaultdict(list)
    monkeypatch.setattr(Stage, "told", told, raising=False)
    return told


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestServer]:
    """A server with a stage, with the fast transport."""
    use_fast_transport(monkeypatch)
    with serve_parties(stage=Stage, bounds=HIGH_LIMITS) as server:
        yield server


def listen(socket: ClientConnection, most: int = 10_000) -> list[Frame]:
    """Return the frames until the end, or that many."""
    heard: list[Frame] = [socket.recv(PATIENCE)]
    while heard[-1] != "end" and len(heard) < most:
        heard.append(socket.recv(PATIENCE))
    return heard


def come_and_go(server: TestServer, number: int) -> dict[str, list[Frame]]:
    """Visit the room repeatedly; return the frames of each visit."""
    heard: dict[str, list[Frame]] = {}
    for visit in range(8):
        id = f"visitor-{number}-{visit}"
        kind = INFLATES if visit % 3 else DOES_NOT
        with server.join("1", "stage", pk=id, **kind) as guest:
            heard[id] = listen(guest.socket, 10)
    return heard


def as_text(frames: list[Frame]) -> list[str]:
    """Return frames as text, as the browser reports them."""
    return [each if isinstance(each, str) else each.decode() for each in frames]


@contextmanager
def page_in(chromium: Browser, server: TestServer, id: str) -> Iterator[Page]:
    """Yield a page in the room; `window.end` has its frames."""
    url = f"ws://127.0.0.1:{server.port}/parties/stage/1?_pk={id}"
    with something_runs(chromium):
        page = chromium.new_page()
        page.goto(server.url)
        assert page.evaluate(LISTEN, url) == AGREED
        yield page
        page.close()


@contextmanager
def published(server: TestServer, id: str) -> Iterator[IO[str]]:
    """Yield the output of the published client: a line for each frame."""
    script = [
        find_node(),
        "--experimental-websocket",
        "tests/support/partysocket.mjs",
    ]
    told = [f"127.0.0.1:{server.port}", "stage", "1", id]
    with Popen(
        [*script, *told], cwd=ROOT, stdout=PIPE, encoding="utf-8"
    ) as node:
        assert node.stdout
        assert node.stdout.readline() == f"{AGREED}\n"
        yield node.stdout


def test_broadcaster_delivers_all_frames_while_people_come_and_go(
    server: TestServer,
    chromium: Browser,
    told: dict[str, list[Frame]],
) -> None:
    """Chromium, the published client, and two guests, one without inflation."""
    with (
        ThreadPoolExecutor(4) as threads,
        server.join("1", "stage", pk="ada", **INFLATES) as ada,
        server.join("1", "stage", pk="bob", **DOES_NOT) as bob,
        published(server, "node") as node,
        page_in(chromium, server, "page") as page,
    ):
        ada.send("the seed of what happens")
        readers = [threads.submit(listen, who.socket) for who in (ada, bob)]
        visits = [threads.submit(come_and_go, server, n) for n in range(2)]
        assert page.evaluate("window.end") == as_text(told["page"])
        heard = [base64.b64decode(line).decode() for line in node]
        assert heard == as_text(told["node"])
        assert [each.result() for each in readers] == [told["ada"], told["bob"]]
        for id, some in chain(*(each.result().items() for each in visits)):
            assert some == told[id][: len(some)]
