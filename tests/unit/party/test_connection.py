"""A connection's queue: keys, the memory that it takes, and eviction."""

import asyncio
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket

from shared.party import Connection
from shared.party.backlog import Backlog


class Reader:
    """Stands in for a WebSocket: the test lets it read on."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.heard: list[str | int] = []
        self.reads = asyncio.Event()

    async def send_text(self, text: str) -> None:
        await self.reads.wait()
        self.heard.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.heard.append(code)


async def test_connection_queue_replaces_a_frame_of_the_same_key() -> None:
    reader = Reader()
    connection = Connection("ada", cast(WebSocket, reader))
    connection._enqueue("on its way")
    await asyncio.sleep(0)
    connection._enqueue("a", key="one")
    connection._enqueue("x", key=("other", 1))
    connection._enqueue("no key")
    connection._enqueue("ab", key="one")
    connection.close(1000)
    connection._enqueue("too late")
    reader.reads.set()
    await connection._wait_sent()
    assert reader.heard == ["on its way", "x", "no key", "ab", 1000]


async def test_replaced_frame_does_not_count_as_queued() -> None:
    reader = Reader()
    connection = Connection("ada", cast(WebSocket, reader))
    connection._enqueue("first")
    for _ in range(100):
        connection._enqueue("x" * 100_000, key="one")
    assert not connection._is_evicted
    connection.close()
    reader.reads.set()
    await connection._wait_sent()
    assert reader.heard == ["first", "x" * 100_000, 1000]


class Trickle:
    """Stands in for a WebSocket that drains bit by bit."""

    def __init__(self, sizes: list[int]) -> None:
        self.scope = {"extensions": {"party.socket": self}}
        self.sizes = sizes
        self.writable = asyncio.Event()
        self.writable.set()
        self.heard: list[str | int] = []

    def buffered_bytes(self) -> int:
        if not (size := self.sizes.pop(0)):
            self.writable.set()
        return size

    async def send_text(self, text: str) -> None:
        self.writable.clear()
        self.heard.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.heard.append(code)

    def close_now(self, code: int, reason: str) -> None:
        self.heard.append(code)


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ([9, 8, 8, 7, 6, 6, 6, 6, 5, 0], 1000),
        ([9, 8, 7, 7, 7, 7, 7, 0], 1013),
        ([9, 9, 9, 9, 9, 0], 1013),
    ],
)
async def test_slow_reader_that_goes_on_is_not_evicted(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], code: int
) -> None:
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 0.04)

    trickle = Trickle(sizes)
    connection = Connection("ada", cast(WebSocket, trickle))
    connection._receiver = None
    connection._enqueue("news")
    connection.close()
    await connection._wait_sent()
    assert trickle.heard == ["news", code]


@pytest.mark.parametrize("frame", ["", b"\x00", "\N{DOLPHIN}" * 50])
async def test_queued_size_is_the_memory_of_the_frames(
    frame: str | bytes,
) -> None:
    websocket, backlog = cast(WebSocket, Trickle([9])), Backlog()
    connection = Connection("ada", websocket, backlog=backlog)
    connection._receiver = None
    count = 0
    while not connection._is_evicted:
        connection._enqueue(frame)
        count += 1
    assert count * (100 + 4 * len(frame)) < 600_000
    assert backlog.bytes == 0
