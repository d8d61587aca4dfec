"""A crowd moves its cursors: `python -m tools.crowd [PEOPLE] [SECONDS]`.

Each moves 30 times a second, in one room of stage 5. Prints how many moves
arrived, how long they took from send to receipt, how many frames a second
anybody got at most, and the server's share of a core. Loopback only.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from statistics import quantiles

import msgpack
from websockets.asyncio.client import ClientConnection, connect

from tests.support.server_process import ROOT, ServerProcess, Stage, start

MOVES_A_SECOND = 30
WATCHERS = 10
"""How many of the crowd look into each frame; the others only count."""

CLOCK = 10_000.0
"""Seconds that x runs through: a move carries the time when it was sent."""


class Count:
    """The crowd's measurements."""

    def __init__(self) -> None:
        self.sent = 0
        self.seen = 0
        self.delays: list[float] = []
        self.frames: Counter[tuple[int, int]] = Counter()


def now() -> float:
    """The time, as a fraction of the clock."""
    return (time.monotonic() % CLOCK) / CLOCK


async def move(guest: ClientConnection, count: Count, seconds: float) -> None:
    """Move 30 times a second, not all at the same time."""
    await asyncio.sleep(random.random() / MOVES_A_SECOND)
    due = time.monotonic()
    end = due + seconds
    while due < end:
        cursor = {"x": now(), "y": 0.5, "pointer": "mouse"}
        presence = {"cursor": cursor, "message": None}
        await guest.send(
            msgpack.packb({"type": "update", "presence": presence})
        )
        count.sent += 1
        due += 1 / MOVES_A_SECOND
        await asyncio.sleep(max(0, due - time.monotonic()))


async def watch(guest: ClientConnection, number: int, count: Count) -> None:
    """Count frames; some look at when what they tell was sent."""
    async for frame in guest:
        count.frames[number, int(time.monotonic())] += 1
        if number >= WATCHERS or not isinstance(frame, bytes):
            continue
        told = msgpack.unpackb(frame)
        if told["type"] == "changes":
            received = now()
            for presence in told["presence"].values():
                count.seen += 1
                sent = presence["cursor"]["x"]
                count.delays.append((received - sent) % 1 * CLOCK * 1000)


async def crowd(running: ServerProcess, people: int, seconds: float) -> Count:
    """Let that many people move in one room."""
    count = Count()
    url = f"ws://127.0.0.1:{running.port}/parties/presence/hello-world"
    guests = [
        await connect(url, proxy=None, max_queue=None) for _ in range(people)
    ]
    join = {"type": "join", "presence": {}, "info": {"name": "Somebody"}}
    for guest in guests:
        await guest.send(msgpack.packb(join))
    watching = [
        asyncio.create_task(watch(guest, number, count))
        for number, guest in enumerate(guests)
    ]
    await asyncio.sleep(1)
    count.frames.clear()
    await asyncio.gather(*(move(each, count, seconds) for each in guests))
    await asyncio.sleep(0.5)
    for guest in guests:
        await guest.close()
    await asyncio.gather(*watching)
    return count


def main() -> None:
    """Run the crowd, and print what came of it."""
    people, seconds = (*map(int, sys.argv[1:3]), 100, 10)[:2]
    limits = {"MAX_CONNECTIONS_PER_ROOM": str(max(people, 2_000))}
    with start(Stage(5, ROOT / "demo_05"), **limits) as running:
        before = cpu_seconds(running)
        count = asyncio.run(crowd(running, people, seconds))
        used = cpu_seconds(running) - before
    cuts = quantiles(count.delays, n=100)
    expected = count.sent * min(WATCHERS, people)
    print(f"{people} people, {count.sent / seconds:.0f} moves a second")
    print(f"seen: {count.seen / expected:.1%} of what was moved")
    print(f"from send to receipt: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")
    print(f"frames a second: {max(count.frames.values())} at most")
    print(f"the server used {used / (seconds + 1.5):.0%} of a core")


def cpu_seconds(running: ServerProcess) -> float:
    """Seconds that the server's process has computed so far."""
    with open(f"/proc/{running.process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
