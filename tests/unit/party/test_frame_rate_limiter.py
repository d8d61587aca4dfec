"""The rate of one connection's frames, and the ids of rejected ones."""

import asyncio
import json
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from shared.party import Connection, Frame, Room, Server
from shared.party.frame_rate_limiter import ConnectionRateLimiter, find_id
from shared.party.limits import Limits
from shared.party.message_rate_limiter import Identity
from shared.party.registry import PartyRegistry


def test_connection_closed_for_flooding_is_not_read() -> None:
    over = asyncio.Event()

    class Eve(Connection):
        """Stands in for a connection that reads late."""

        def __init__(self) -> None:
            self.told: list[object] = []

        def send(self, message: object) -> None:
            self.told.append(message)

        def _stop_reading(self) -> None:
            pass

        def close(self, code: int, reason: str) -> None:
            self.told.append(code)

        async def _wait_sent(self) -> None:
            await over.wait()

    async def flood(eve: Eve) -> None:
        parties = PartyRegistry({}, Limits(max_messages_per_second=1))
        server = Server(Room("teller", "1", parties.context))
        heard: list[Frame] = []
        request = HTTPConnection({"type": "websocket", "client": ("::1", 1)})
        identity = Identity("eve", is_proven=True)
        limit = parties.senders.get_limiter(request, identity, server.room)
        limiter = ConnectionRateLimiter(server, eve, limit, 1_024, heard.append)
        for _ in range(105):
            await limiter.receive("x")
        assert len(heard) == 5
        assert len(eve.told) == 100
        last = asyncio.create_task(limiter.receive("x"))
        await asyncio.sleep(0)
        assert eve.told[-1] == 1008
        assert not last.done()
        over.set()
        await last

    asyncio.run(flood(Eve()))


def test_pointer_at_360_hertz_is_not_closed_for_flooding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five minutes on a fast display, in a party that keeps the latest."""
    now = 0.0

    class Cursors(Server):
        max_frames_per_second = 120

    async def move() -> None:
        nonlocal now
        parties = PartyRegistry({})
        server = Cursors(Room("cursors", "1", parties.context))
        request = HTTPConnection({"type": "websocket", "client": ("::1", 1)})
        limit = parties.senders.get_limiter(request, Identity(), server.room)
        sender = Connection("ada", cast(WebSocket, request))
        limiter = ConnectionRateLimiter(server, sender, limit, 1_024, len)
        for _ in range(5 * 60 * 360):
            now += 1 / 360
            limiter.admit("x")
        assert not limiter._is_exceeded
        limiter.close()

    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("shared.party.limits.time", clock)
    asyncio.run(move())


@pytest.mark.parametrize(
    ("frame", "id"),
    [
        ('{"type":"message","message":{"id":"a1","user":"Ada"}}', "a1"),
        (b'{"message": {"body": "hi", "id" : "a1"}}', "a1"),
        ('{"message":{"id":"\u00e9"}}', "\u00e9"),
        (json.dumps({"body": '"id":"no"', "id": "yes"}), "yes"),
        ('{"message":{"user":"id","body":"id"}}', None),
        ('{"message":{"id":7}}', None),
        ('{"id":"' + "x" * 65 + '"}', None),
        ("x" * 60_000 + '{"id":"far"}', None),
        ('"id"' * 20_000, None),
        (b"\xff" * 100, None),
        ("", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_find_id_searches_the_first_bytes(frame: Frame, id: str | None) -> None:
    assert find_id(frame) == id
