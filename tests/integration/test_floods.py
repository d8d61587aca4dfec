"""Floods: what one connection sends is bounded in size, time, rate and work."""

import asyncio
import socket
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.party import Server
from shared.party.frame_rate_limiter import (
    RATE_EXCEEDED,
    ConnectionRateLimiter,
)
from shared.party.limits import Limits
from shared.party.transport.batching_protocol import BatchingProtocol
from shared.party.transport.bounded_protocol import (
    FRAMES_PER_ITERATION,
    BoundedProtocol,
)
from shared.party.transport.http_protocol import (
    MAX_EVENTS_PER_ITERATION,
    REQUESTS_PER_ITERATION,
    BoundedHTTP,
    RequestQueue,
)

from ..support.party_server import Echo, serve_parties
from ..support.server_process import HANDSHAKE
from ..support.ws_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    close_code,
    frame,
    parse_frames,
    read_all,
)
from .test_batching_protocol import accepted, deflated, leave

OFFER = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
MB = 1_000_000


class Small(Echo):
    """Takes small frames, as presence does."""

    max_frame_bytes = 1_024


def joined(bare: socket.socket, party: str) -> bool:
    """Shake hands: whether frames may be compressed."""
    request = HANDSHAKE % b"/parties/%s/1" % party.encode()
    bare.sendall(request[:-2] + OFFER)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += bare.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return b"permessage-deflate" in answer


def answers(bare: socket.socket, found: Callable[[int, bytes], bool]) -> bytes:
    """Return the payload of the first frame that is found."""
    heard = b""
    while True:
        frames, heard = parse_frames(heard + bare.recv(65_536))
        for opcode, payload in frames:
            assert opcode != CLOSE, payload
            if found(opcode, payload):
                return payload


PART = b"x" * 60_000
PARTS = [frame(0, PART, fin=False)] * 29
BOMB = deflated(b"x" * 2 * MB)
LARGE = {
    "one frame": [frame(TEXT, b"x" * 1_900_000)],
    "parts": [frame(TEXT, PART, fin=False), *PARTS, frame(0)],
    "a bomb": [frame(TEXT, BOMB, reserved=4)],
    "a bomb in parts": [
        frame(TEXT, BOMB[:1_000], fin=False, reserved=4),
        frame(0, BOMB[1_000:]),
    ],
}


@pytest.mark.parametrize(
    ("party", "most"), [("echo", 65_536), ("small", 1_024)]
)
@pytest.mark.parametrize("parts", LARGE.values(), ids=list(LARGE))
def test_message_is_gathered_and_inflated_up_to_the_limit(
    parts: list[bytes], party: str, most: int
) -> None:
    """It is rejected with an error, though it was not kept."""
    with (
        serve_parties(echo=Echo, small=Small) as server,
        server.connected() as eve,
    ):
        if not joined(eve, party) and parts[0][0] & 0x40:
            return  # only the batching transport compresses
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for part in parts:
                eve.sendall(part)
            refusal = answers(eve, lambda _, payload: b'"error"' in payload)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert b"may have %s bytes at most" % f"{most:,}".encode() in refusal
        assert peak < 0.9 * MB
        eve.sendall(frame(TEXT, b"hello"))
        assert answers(eve, lambda _, payload: b'"echo"' in payload)


UNFINISHED = {
    "a part": frame(TEXT, b"x", fin=False),
    "empty parts": frame(TEXT, fin=False) + frame(0, fin=False),
    "most of a frame": frame(TEXT, b"x" * 10)[:-1],
    "most of a large frame": frame(TEXT, b"x" * 200_000)[:-1],
    "half a head": b"\x81",
    "half a ping": frame(PING, b"x")[:-1],
}


def test_message_must_be_complete_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if pings are answered meanwhile."""
    monkeypatch.setattr(
        "shared.party.transport.bounded_protocol.MESSAGE_TIMEOUT", 0.5
    )
    with serve_parties(echo=Echo) as server, ExitStack() as stack:
        bare = {
            name: stack.enter_context(server.connected()) for name in UNFINISHED
        }
        for name, begun in UNFINISHED.items():
            joined(bare[name], "echo")
            bare[name].sendall(begun)
        for _ in range(12):
            threading.Event().wait(0.1)
            for name in ("a part", "empty parts"):
                with suppress(ConnectionError):
                    bare[name].sendall(frame(PING, b"there?"))
        for name, eve in bare.items():
            heard = read_all(eve)
            assert close_code(heard) == 1008, name
            answered = parse_frames(heard)[0].count((PONG, b"there?"))
            assert 0 < answered < 12 if "part" in name else not answered


def test_message_that_comes_slowly_but_in_time_is_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each message has its own deadline."""
    monkeypatch.setattr(
        "shared.party.transport.bounded_protocol.MESSAGE_TIMEOUT", 0.5
    )
    with serve_parties(echo=Echo) as server, server.connected() as ada:
        joined(ada, "echo")
        whole = frame(TEXT, b"hello")
        ada.sendall(whole[:5])
        for _ in range(6):
            threading.Event().wait(0.1)
            ada.sendall(whole[5:] + whole[:5])
            assert answers(ada, lambda _, payload: b'"hello"' in payload)


KINDS = {
    "short text": frame(TEXT, b"x"),
    "empty text": frame(TEXT),
    "text": frame(TEXT, b"x" * 200),
    "bytes": frame(BINARY, b"x"),
    "heartbeats": frame(TEXT, b"ping"),
    "pings": frame(PING, b"x"),
    "pongs": frame(PONG),
    "empty parts": frame(0, fin=False),
    "messages in two parts": frame(TEXT, b"x", fin=False) + frame(0, b"y"),
    "compressed text": frame(TEXT, deflated(b"x" * 200), reserved=4),
    "bombs": frame(TEXT, deflated(b"x" * 60_000), reserved=4),
    "too large": frame(TEXT, b"x" * 70_000),
}


def beginning(kind: str) -> bytes:
    """Return the bytes that precede a flood of a kind."""
    return frame(TEXT, b"x", fin=False) if kind == "empty parts" else b""


@pytest.mark.parametrize("kind", KINDS)
def test_flood_ends_its_own_connection_alone(kind: str) -> None:
    """Nothing that comes after the limit is parsed."""
    bounds = Limits(max_messages_per_second=1)
    with (
        serve_parties(bounds=bounds, echo=Echo) as server,
        server.join("1", "echo") as bob,
        server.connected() as eve,
        ThreadPoolExecutor() as threads,
    ):
        if not joined(eve, "echo") and KINDS[kind][0] & 0x40:
            return  # only the batching transport compresses
        told = threads.submit(read_all, eve)
        with suppress(OSError):
            eve.sendall(beginning(kind))
            for _ in range(50):
                eve.sendall(KINDS[kind] * 100)
        heard = told.result()
        assert close_code(heard) == 1008
        assert heard.endswith(RATE_EXCEEDED[1].encode())
        assert len(parse_frames(heard)[0]) < 250
        assert bob.next()["room"] == "1"
        bob.send("hello")
        assert bob.next() == {"echo": "hello"}


class CountingLimiter:
    """Stands in for a limiter: counts frames, and inflates them."""

    max_bytes = 65_536

    def __init__(self) -> None:
        self.frames = 0

    def admit(self, frame: Any, unpack: Any = None) -> None:
        self.frames += 1
        assert unpack is None or unpack(frame, self.max_bytes)

    def admit_control(self) -> bool:
        self.frames += 1
        return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", [BatchingProtocol, BoundedProtocol])
async def test_flood_leaves_time_for_other_connections(
    protocol: type[BoundedProtocol], kind: str
) -> None:
    if KINDS[kind][0] & 0x40 and protocol is BoundedProtocol:
        return  # only the batching transport compresses
    size = 60_000 if kind in ("bombs", "too large") else 0
    most = 2 if size else FRAMES_PER_ITERATION
    count = 5 * most

    limiter, turns = CountingLimiter(), [0]
    line, transport = await accepted(protocol)
    line.attach(None, cast(ConnectionRateLimiter, limiter))
    line.data_received(beginning(kind) + KINDS[kind] * count)
    for _ in range(50):
        while not line.queue.empty():
            await line.receive()
            limiter.frames += 1
        turns.append(limiter.frames)
        await asyncio.sleep(0)
    assert turns[-1] >= count
    assert max(b - a for a, b in pairwise(turns)) <= most
    await leave(line, transport)


async def test_requests_at_once_are_spread_over_iterations() -> None:
    begun: list[int] = []

    queue = RequestQueue(asyncio.get_running_loop())
    counts = []
    for number in range(REQUESTS_PER_ITERATION * 5):
        queue.put(partial(begun.append, number))
    while len(begun) < REQUESTS_PER_ITERATION * 5:
        counts.append(len(begun))
        await asyncio.sleep(0)
    counts.append(len(begun))
    assert counts[0] == REQUESTS_PER_ITERATION
    assert max(b - a for a, b in pairwise(counts)) <= REQUESTS_PER_ITERATION
    for _ in range(3):
        await asyncio.sleep(0)
    queue.put(partial(begun.append, -1))
    assert begun == [*range(REQUESTS_PER_ITERATION * 5), -1]


class Body(Server):
    """Reads the body of a request."""

    async def on_request(self, request: Request) -> Response:
        return JSONResponse(len(await request.body()))


def test_body_in_tiny_chunks_is_read_in_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[int] = []
    handle = BoundedHTTP.handle_events

    def count(http: BoundedHTTP) -> None:
        handle(http)
        events.append(MAX_EVENTS_PER_ITERATION - http.conn.budget)

    monkeypatch.setattr(BoundedHTTP, "handle_events", count)
    head = b"POST /parties/body/1 HTTP/1.1\r\nHost: localhost\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    with serve_parties(body=Body) as server, server.connected() as bare:
        bare.sendall(head + b"Connection: close\r\n" + chunked)
        bare.sendall(b"1\r\nx\r\n" * 9_000 + b"0\r\n\r\n")
        answer = read_all(bare)
    assert answer.endswith(b"9000")
    assert max(events) == MAX_EVENTS_PER_ITERATION
    assert sum(events) > 9_000


def test_frames_right_after_a_handshake_are_read() -> None:
    """Also an incomplete frame, and one larger than the handshake buffer."""
    bounds = Limits(max_frame_bytes=3 * MB)
    with serve_parties(bounds=bounds, echo=Echo) as server:
        with server.connected() as ada:
            request = HANDSHAKE % b"/parties/echo/1"
            sent = frame(TEXT, b"first") + frame(TEXT, b"second")
            ada.sendall(request + sent[:-3])
            while not ada.recv(65_536).endswith(b'"first"}'):
                pass
            ada.sendall(sent[-3:])
            assert answers(ada, lambda _, payload: b'"second"' in payload)
        with server.join("1", "echo", max_size=None) as ada:
            ada.next()
            ada.send("x" * 3 * MB)
            assert len(ada.next()["echo"]) == 3 * MB
