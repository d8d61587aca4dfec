"""Ten stalled readers do not delay two hundred others (stage 5)."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..support.server_process import HANDSHAKE, ServerProcess
from ..support.ws_frames import PING, PONG, TEXT, frame, parse_frames

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

READERS, STALLED = 200, 10
ROUNDS = 3
MEASURED, PAUSE = 84, 0.05
"""Messages of which each takes its time, and seconds between them."""

FILL = 60
"""Messages that fill all there is between the server and who stalls."""

ROOM = "/parties/chatroom/hello-world"
ROLE = {"role": "user"}
MiB = 1024 * 1024


class Ear(asyncio.Protocol):
    """A guest who only listens, and notes when each message comes."""

    def __init__(self, sent: dict[str, float], took: list[float]) -> None:
        self.sent = sent
        self.took = took
        self.heard: list[str] | None = None
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE % ROOM.encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.rest += data
        if self.rest.startswith(b"HTTP"):
            _, end, self.rest = self.rest.partition(b"\r\n\r\n")
            assert end
        frames, self.rest = parse_frames(self.rest)
        for opcode, payload in frames:
            if opcode == PING:
                self.transport.write(frame(PONG, payload))
            elif self.heard is None:
                self.heard = []  # that was the history
            else:
                id = payload.partition(b'"id":"')[2].partition(b'"')[0].decode()
                self.heard.append(id)
                self.took.append(now - self.sent[id])


class Hall:
    """A room with its readers, and somebody who speaks to them."""

    def __init__(self, running: ServerProcess) -> None:
        self.running = running
        self.sent: dict[str, float] = {}
        self.took: list[float] = []

    async def fill(self) -> None:
        """Let everybody in."""
        loop = asyncio.get_running_loop()
        self.ears = [
            (
                await loop.create_connection(
                    lambda: Ear(self.sent, self.took),
                    "127.0.0.1",
                    self.running.port,
                )
            )[1]
            for _ in range(READERS + 1)
        ]
        await self.all_heard()

    def empty(self) -> None:
        """Let everybody go."""
        for ear in self.ears:
            ear.transport.close()

    async def speak(self, messages: int, pause: float) -> list[float]:
        """Say something again and again: how long each took to each."""
        self.took.clear()
        for _ in range(messages):
            id = f"m{len(self.sent)}"
            said = {"id": id, "user": "Ada", "body": "x" * 4_000} | ROLE
            text = json.dumps({"type": "message", "message": said})
            self.sent[id] = time.perf_counter()
            self.ears[0].transport.write(frame(TEXT, text.encode()))
            await asyncio.sleep(pause)
        await self.all_heard()
        return list(self.took)

    async def all_heard(self) -> None:
        """Wait until everybody has heard all that was said, in its order."""
        said = list(self.sent)
        while not all(ear.heard == said for ear in self.ears):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextmanager
def stalled(running: ServerProcess) -> Iterator[list[int]]:
    """Guests who never read: their ports."""
    with ExitStack() as stack:
        guests = [
            stack.enter_context(running.stalled(ROOM)) for _ in range(STALLED)
        ]
        yield [guest.getsockname()[1] for guest in guests]


def kept_by_the_system(running: ServerProcess, ports: list[int]) -> list[int]:
    """Bytes that wait in the system for each who is connected by a port."""
    kept = []
    for line in Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]:
        _, here, there, state, queues, *_ = line.split()
        mine = int(here.partition(":")[2], 16) == running.port
        established = state == "01"
        if mine and established and int(there.partition(":")[2], 16) in ports:
            kept.append(int(queues.partition(":")[0], 16))
    return kept


def p99(took: list[float]) -> float:
    """How long the slowest but one in a hundred took, in milliseconds."""
    return 1_000 * statistics.quantiles(took, n=100)[98]


def test_broadcast_to_200_is_not_delayed_by_10_stalled_readers(
    serve: Callable[..., ServerProcess], memory: Callable[[ServerProcess], int]
) -> None:
    """With and without them in turn.

    A server that waited for them would take seconds. What else the machine
    does meanwhile is in the times without them, too.
    """
    running = serve(MAX_MESSAGES_PER_SECOND="1000", HISTORY_LIMIT="10")
    alone, together, costs, times = [], [], [], []

    async def stall() -> None:
        """Have those who stall in the room, until they are sent away."""
        before = memory(running)
        with stalled(running) as ports:
            await hall.speak(FILL, 0.01)
            full = time.perf_counter()
            talk = asyncio.create_task(hall.speak(MEASURED, PAUSE))
            most = 0
            while kept := kept_by_the_system(running, ports):
                now = 1024 * (memory(running) - before)
                most = max(most, now + sum(kept))
                await asyncio.sleep(0.1)
            times.append(time.perf_counter() - full)
            together.append(p99(await talk))
        costs.append(most / STALLED / MiB)

    async def measure() -> None:
        await hall.fill()
        await hall.speak(FILL, 0.01)
        for _ in range(ROUNDS):
            alone.append(p99(await hall.speak(MEASURED, PAUSE)))
            async with asyncio.timeout(20):
                await stall()
            print(
                f"p99 {alone[-1]:.1f} ms, with {STALLED} who stall"
                f" {together[-1]:.1f} ms; {costs[-1]:.2f} MiB for each;"
                f" sent away after {times[-1]:.1f} s"
            )
        hall.empty()

    hall = Hall(running)
    asyncio.run(measure())
    assert min(together) <= 2 * max(alone)
    assert statistics.median(costs) <= 1
    # Two seconds after they were sent away, they are cut.
    assert statistics.median(times) <= 7
