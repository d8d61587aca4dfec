"""A room: the order of its hooks, and the rate of keyed broadcasts."""

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from shared.party import Connection, Frame, Room
from shared.party.hooks import current_caller
from shared.party.registry import PartyRegistry


async def test_hooks_start_in_arrival_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []

    async def waits(name: str) -> None:
        heard.append(name)
        await asyncio.sleep(0)

    room = Room("chat", "1", PartyRegistry({}).context)
    room._run_hook(heard.append, "first")
    assert heard == ["first"]
    for hook in (waits, heard.append, waits, heard.append):
        room._run_hook(hook, f"{len(room._tasks)}")
    assert heard == ["first"]
    await asyncio.wait(room._tasks)
    room._run_hook(heard.append, "last")
    assert heard == ["first", "0", "1", "2", "3", "last"]
    assert not caplog.records


async def test_hook_knows_its_caller() -> None:
    """Also when another connection's hook runs meanwhile."""
    seen: list[Any] = []

    async def wait(name: str) -> None:
        await asyncio.sleep(0)
        seen.append((name, current_caller()))

    room = Room("chat", "1", PartyRegistry({}).context)
    ada, bob = (Mock(spec=Connection) for _ in range(2))
    room._run_hook(wait, "ada", caller=ada)
    room._run_hook(wait, "request")
    room._run_hook(wait, "bob", caller=bob)
    await asyncio.wait(room._tasks)
    assert seen == [("ada", ada), ("request", None), ("bob", bob)]
    assert current_caller() is None


class Clock:
    """Stands in for asyncio: the test moves the time."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.due: list[Callable[[], None]] = []

    def get_running_loop(self) -> "Clock":
        return self

    def call_later(
        self, delay: float, do: Callable[..., None], *arguments: Any
    ) -> None:
        self.delays.append(delay)
        self.due.append(lambda: do(*arguments))

    def tick(self) -> None:
        due, self.due = self.due, []
        for do in due:
            do()


def test_broadcast_sends_a_key_thirty_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    for module in ("room", "encoding"):
        monkeypatch.setattr(f"shared.party.{module}.asyncio", clock)
    room = Room("chat", "1", PartyRegistry({}).context)
    sent: list[Frame] = []
    monkeypatch.setattr(room, "_deliver", lambda frame, *_: sent.append(frame))
    for text in ("a", "ab", "abc"):
        room.broadcast(text, key="one")
    room.broadcast("x", key="other")
    room.broadcast("no key")
    assert sent == ["a", "x", "no key"]
    clock.tick()
    assert sent[3:] == ["abc"]
    room.broadcast("abcd", key="one")
    assert sent[4:] == []
    clock.tick()
    assert sent[4:] == ["abcd"]
    clock.tick()
    room.broadcast("abcde", key="one")
    assert sent[5:] == ["abcde"]
    assert set(clock.delays) == {1 / 30}
    clock.tick()
    assert clock.due == []


async def test_room_sends_final_frame_of_a_key_at_once() -> None:
    sent: list[str] = []

    room = Room("chat", "1", PartyRegistry({}).context)
    room._deliver = lambda frame, *_: sent.append(str(frame))
    for text in "abc":
        room.broadcast(text, key="one")
    room.broadcast("last", key="one", final=True)
    room.broadcast("next", key="two", final=True)
    await asyncio.sleep(0.1)
    assert sent == ["a", "last", "next"]
