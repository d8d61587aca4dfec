"""Measure the cursors of a crowd: `python -m tools.crowd [PEOPLE] [SECONDS]`.

Everybody moves 30 times a second, in one room of stage 5 on loopback. It prints
the share of moves that arrived, the time from send to receipt, the most frames
a second that anybody got, and the server's share of a core.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from statistics import quantiles

import msgpack
from websockets.asyncio.client import ClientConnection, connect

from tests.support.server_process import ROOT, ServerProcess, Stage, start
from tools.bench.machine import cpu_seconds
from tools.simulated_guest import join_frame, move_frame

MOVES_PER_SECOND = 30
PARSERS = 10
"""People of the crowd who parse each frame; the others only count them."""

CLOCK = 10_000.0
"""Seconds that x stands for: a move carries the time when it was sent."""


class CursorCrowd:
    """The people in one room, and the measurements."""

    def __init__(self) -> None:
        self.sent = 0
        self.delays: list[float] = []
        self.frames: Counter[tuple[int, int]] = Counter()

    async def run(self, port: int, people: int, seconds: float) -> None:
        """Let that many people join, move and leave."""
        url = f"ws://127.0.0.1:{port}/parties/presence/hello-world"
        connections = [
            await connect(url, proxy=None, max_queue=None)
            for _ in range(people)
        ]
        async with asyncio.TaskGroup() as readers:
            for number, connection in enumerate(connections):
                await connection.send(join_frame("Somebody"))
                readers.create_task(self.read(connection, number))
            await asyncio.sleep(1)
            self.frames.clear()
            await asyncio.gather(*(self.move(c, seconds) for c in connections))
            await asyncio.sleep(0.5)
            for connection in connections:
                await connection.close()

    async def move(self, connection: ClientConnection, seconds: float) -> None:
        """Move at a steady rate, not all at the same time."""
        await asyncio.sleep(random.random() / MOVES_PER_SECOND)
        due = time.monotonic()
        for _ in range(int(seconds * MOVES_PER_SECOND)):
            x = time.monotonic() % CLOCK / CLOCK
            await connection.send(move_frame(x, 0.5))
            self.sent += 1
            due += 1 / MOVES_PER_SECOND
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def read(self, connection: ClientConnection, number: int) -> None:
        """Count frames; the first few people measure the delay of moves."""
        async for frame in connection:
            self.frames[number, int(time.monotonic())] += 1
            if number >= PARSERS or not isinstance(frame, bytes):
                continue
            message = msgpack.unpackb(frame)
            if message["type"] == "changes":
                now = time.monotonic() % CLOCK
                for presence in message["presence"].values():
                    sent = presence["cursor"]["x"] * CLOCK
                    self.delays.append((now - sent) % CLOCK * 1000)


def measure(running: ServerProcess, people: int, seconds: int) -> None:
    """Run a crowd, and print the measurements."""
    crowd = CursorCrowd()
    before = cpu_seconds(running.process.pid)
    asyncio.run(crowd.run(running.port, people, seconds))
    used = cpu_seconds(running.process.pid) - before
    seen = len(crowd.delays) / (crowd.sent * min(PARSERS, people))
    cuts = quantiles(crowd.delays, n=100)
    print(f"{people} people, {crowd.sent / seconds:.0f} moves a second")
    print(f"seen: {seen:.1%} of the moves")
    print(f"from send to receipt: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms")
    print(f"frames a second: at most {max(crowd.frames.values())}")
    print(f"the server used {used / (seconds + 1.5):.0%} of a core")


def main() -> None:
    """Start the server, and measure."""
    people, seconds = (*map(int, sys.argv[1:3]), 100, 10)[:2]
    limits = {"MAX_CONNECTIONS_PER_ROOM": str(max(people, 2_000))}
    with start(Stage(5, ROOT / "demo_05"), **limits) as running:
        measure(running, people, seconds)


if __name__ == "__main__":
    main()
