"""Measure what attacks cost everybody else: `python -m tools.attacks [NAME…]`.

Ten people chat in stage 5 while another process attacks the server, each time
a new one, with `FAST_TRANSPORT=1` and with 0, over loopback. Each attack
prints a row of a Markdown table: the peak of the server's memory over its idle
memory, the others' times from send to acknowledgement and to delivery, what
they lost, and what became of the attackers.

NAME is any part of an attack's name, such as `D3` or `ping`; default: all, in
a quarter of an hour. `--app-root FOLDER` measures another checkout, `--fast 0`
one transport, `--seconds 2` makes the attacks shorter that may be.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.support.server_process import (
    ROOT,
    Client,
    ServerProcess,
    Stage,
    start,
)
from tests.support.ws_frames import CLOSE, PING, PONG, TEXT, frame, parse_frames

CHAT = "/parties/chatroom/hello-world"
PRESENCE = "/parties/presence/hello-world"
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
PEOPLE = 10
SEND_INTERVAL = 0.5
SETTLE_TIMEOUT = 10.0
ATTACK_TIMEOUT = 60.0
HOLD_SECONDS = 25.0
"""Longer than the server waits for a message or for a request."""

HEADER = """\
| attack | FAST | peak over idle, MB | send→ack p50 / p99 / max, ms \
| send→delivery p50 / p99 / max, ms | others lost | attackers |
|---|---|---|---|---|---|---|"""

numbers = itertools.count()
Listener = Callable[[bytes], object]


class Peer(asyncio.Protocol):
    """A WebSocket client that answers pings and hands on what it gets."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener | None = None) -> None:
        self.listener = listener
        self.buffer = b""
        self.joined = asyncio.Event()
        self.gone = asyncio.Event()
        self.writable = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.joined.is_set():
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end or not head.startswith(b"HTTP/1.1 101"):
                return
            self.buffer = rest
            self.joined.set()
        frames, self.buffer = parse_frames(self.buffer)
        for opcode, payload in frames:
            if opcode == PING:
                self.send(frame(PONG, payload))
            elif self.listener:
                self.listener(payload)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        for event in (self.gone, self.joined, self.writable):
            event.set()

    def send(self, data: bytes) -> None:
        if not self.gone.is_set():
            self.transport.write(data)


class Target(Client):
    """A server, and when to stop attacking it."""

    def __init__(self, port: int, seconds: float = 0) -> None:
        self.port = port
        self.end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(self.end - time.monotonic(), 0)

    async def open(self, data: bytes, listener: Listener | None = None) -> Peer:
        """Connect, and write the first bytes at once."""
        loop = asyncio.get_running_loop()
        new = partial(Peer, listener)
        _, peer = await loop.create_connection(new, "127.0.0.1", self.port)
        peer.send(data)
        return peer

    def cookie(self) -> str:
        """Return a cookie as a browser gets it with its first page."""
        given = self.get("/").headers.get("set-cookie", "")
        return given.partition(";")[0]


def handshake(path: str, cookie: str = "", deflate: bool = False) -> bytes:
    """Return the request that opens a WebSocket."""
    return (
        GET.replace(b"/", path.encode(), 1)
        + (
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + f"Cookie: {cookie}\r\n" * bool(cookie)
            + "Sec-WebSocket-Extensions: permessage-deflate\r\n" * deflate
            + "\r\n"
        ).encode()
    )


def message(id: str, user: str = "Eve", body: str = "hello") -> bytes:
    """Return a frame with a chat message."""
    fields = {"id": id, "user": user, "body": body, "role": "user"}
    data = json.dumps({"type": "message", "message": fields})
    return frame(TEXT, data.encode())


def messages(count: int) -> bytes:
    """Return so many messages with new ids."""
    return b"".join(message(f"e{next(numbers)}") for _ in range(count))


def deflated(payload: bytes, fin: bool = True) -> bytes:
    """Return a compressed frame (RFC 7692)."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, data[:-4], fin, reserved=4)


async def join_silently(target: Target, newcomers: int) -> str:
    """Join, and never read."""
    joined = 0
    with ExitStack() as stack:
        for _ in range(newcomers):
            with suppress(OSError, AssertionError):
                stack.enter_context(target.stalled(CHAT))
                joined += 1
        await asyncio.sleep(target.left)
    return f"{joined} of {newcomers} let in"


async def hold(
    target: Target, first: bytes, more: bytes = b"", path: str = CHAT
) -> str:
    """Have 100 sockets hold an unfinished message, and answer every ping."""
    target.end = time.monotonic() + HOLD_SECONDS
    begin = handshake(path, deflate=True)
    peers = [await target.open(begin) for _ in range(100)]
    for peer in peers:
        await peer.joined.wait()
        peer.send(first)
    while target.left:
        await asyncio.sleep(min(1, target.left))
        for peer in peers:
            if peer.writable.is_set():
                peer.send(more + frame(PONG))
    held = sum(not peer.gone.is_set() for peer in peers)
    return f"{held} of 100 open after {HOLD_SECONDS:.0f} s"


async def flood(
    target: Target, data: bytes, path: str = CHAT, reads: bool = True
) -> str:
    """Write at full speed on one connection; again on another when it ends."""
    sent = connections = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(target.left):
            while True:
                peer = await target.open(handshake(path, deflate=True))
                connections += 1
                await peer.joined.wait()
                if not reads:
                    peer.transport.pause_reading()
                while not peer.gone.is_set():
                    peer.send(data)
                    sent += len(data)
                    await asyncio.sleep(0)
                    await peer.writable.wait()
    return f"{sent / 1e6:.0f} MB in {connections} connections"


async def reconnect(target: Target, cookies: str) -> str:
    """Connect, say 50, close: again and again, eight at a time."""
    rounds = 0

    async def repeat(cookie: str) -> None:
        nonlocal rounds
        while target.left:
            if cookies == "new":
                cookie = await asyncio.to_thread(target.cookie)
            elif cookies == "made up":
                cookie = f"party-chat-browser={random.randbytes(32).hex()}"
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(target.left):
                    peer = await target.open(handshake(CHAT, cookie))
                    rounds += 1
                    await peer.joined.wait()
                    peer.send(messages(50) + frame(CLOSE))
                    await peer.gone.wait()

    cookie = target.cookie() if cookies == "one" else ""
    await asyncio.gather(*(repeat(cookie) for _ in range(8)))
    return f"{rounds * 50:,} sent"


async def say_hello(target: Target, people: int = 500) -> str:
    """Have 500 browsers say hello within two seconds, as pages do it."""
    begins = [handshake(CHAT, target.cookie()) for _ in range(people)]
    ready = asyncio.Event()
    times: list[float] = []

    async def hello(number: int) -> None:
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        def listen(payload: bytes) -> None:
            if payload.startswith((b'{"type":"ack"', b'{"type":"error"')):
                answers.put_nowait(payload)

        peer = await target.open(begins[number], listen)
        await ready.wait()
        await asyncio.sleep(2 * number / people)
        while True:
            peer.send(message(f"h{number}", f"Guest {number}"))
            answer = json.loads(await answers.get())
            if answer["type"] == "ack":
                times.append(time.monotonic() - started)
            if "retry_after" not in answer:
                return
            await asyncio.sleep(answer["retry_after"])

    tasks = [asyncio.create_task(hello(number)) for number in range(people)]
    await asyncio.sleep(5)
    started = time.monotonic()
    ready.set()
    await asyncio.wait(tasks, timeout=10)
    for task in tasks:
        task.cancel()
    last = max(times, default=0)
    return f"{len(times)} of {people} acknowledged, the last at {last:.1f} s"


POST = GET.replace(b"GET /", b"POST /parties/usage/total")
HALVES = {
    "nothing": (b"", b""),
    "head": (GET, b"X: x\r\n"),
    "handshake": (handshake(CHAT)[:-2], b"X: x\r\n"),
    "body": (POST + b"Content-Length: 1000\r\n\r\n", b"x"),
}


async def half_open(target: Target) -> str:
    """Have 200 connections never finish their request, but drip into it."""
    held = [
        (name, more, await target.open(first))
        for name, (first, more) in HALVES.items()
        for _ in range(50)
    ]
    for _ in range(20):
        await asyncio.sleep(1)
        for _, more, peer in held:
            peer.send(more)
    still = Counter(name for name, _, peer in held if not peer.gone.is_set())
    counts = ", ".join(f"{name} {still[name]}" for name in HALVES)
    return f"open after 20 s, of 50 each: {counts}"


async def send_large_heads(target: Target) -> str:
    """Ask for pages and sockets with 100 KB of headers, or 1,000 of them."""
    large = b"X: %s\r\n" % (b"x" * 100_000)
    many = b"".join(b"X-%d: x\r\n" % number for number in range(1_000))
    seen: Counter[str] = Counter()
    while target.left:
        for name, more in {"100 KB": large, "1,000": many}.items():
            for kind in ("head", "handshake"):
                try:
                    answer = target.raw(HALVES[kind][0] + more + b"\r\n")
                except OSError as error:
                    answer = b" " * 9 + type(error).__name__.encode()
                status = answer[9:].decode().partition(" ")[0] or "cut"
                seen[f"{kind} with {name}: {status}"] += 1
    return ", ".join(sorted(seen))


def block(data: bytes) -> bytes:
    """Return about 64 KB of the same."""
    return data * (65_536 // len(data) + 1)


TINY = block(frame(TEXT, b"x"))
HALF = frame(TEXT, b"x" * 65_000, fin=False)
REST = frame(0, b"x" * 65_000, fin=False)
SPLIT = frame(TEXT, b"x", fin=False) + frame(0, b"x", fin=False) * 1_000_000
BOMB = deflated(bytes(2**21), fin=False)
LARGE_BOMB = deflated(bytes(2**26))
PACKED = block(deflated(b'{"type":"message"}'))
REFUSED = message("e", body="x" * 70_000) + TINY

ATTACKS: dict[str, Callable[[Target], Awaitable[str]]] = {
    "D1 40 silent newcomers": partial(join_silently, newcomers=40),
    "D1 200 silent newcomers": partial(join_silently, newcomers=200),
    "D2 2 MB of fragments": partial(hold, first=HALF + REST * 31),
    "D2 fragments dripped": partial(hold, first=HALF, more=REST),
    "D2 fragments of a byte": partial(flood, data=SPLIT),
    "D2 bomb, 2 KB to 2 MiB": partial(hold, first=BOMB),
    "D2 bomb in presence": partial(hold, first=BOMB, path=PRESENCE),
    "D2 bombs, 64 KB to 64 MiB": partial(flood, data=LARGE_BOMB),
    "D3 tiny frames": partial(flood, data=TINY),
    "D3 tiny frames, nothing read": partial(flood, data=TINY, reads=False),
    "D3 tiny frames in presence": partial(flood, data=TINY, path=PRESENCE),
    "D3 pings": partial(flood, data=block(frame(PING, b"x"))),
    "D3 pongs": partial(flood, data=block(frame(PONG, b"x"))),
    "D3 empty frames": partial(flood, data=block(frame(TEXT))),
    "D3 compressed frames": partial(flood, data=PACKED),
    "D3 60 KB of invalid JSON": partial(flood, data=frame(TEXT, b"[" * 60_000)),
    "D3 valid messages": partial(flood, data=messages(2_000)),
    "D3 frames after a refusal": partial(flood, data=REFUSED, reads=False),
    "D3 page requests": partial(flood, data=block(GET + b"\r\n")),
    "D4 reconnect, no cookie": partial(reconnect, cookies="no"),
    "D4 reconnect, one cookie": partial(reconnect, cookies="one"),
    "D4 reconnect, new cookies": partial(reconnect, cookies="new"),
    "D4 reconnect, made-up cookies": partial(reconnect, cookies="made up"),
    "D4 500 say hello": say_hello,
    "D5 half-open": half_open,
    "D5 large header sections": send_large_heads,
}


def attack(name: str, port: int, seconds: float) -> str:
    """Attack from this process; it is bounded in time."""

    async def bounded() -> str:
        async with asyncio.timeout(ATTACK_TIMEOUT):
            return await ATTACKS[name](Target(port, seconds))

    try:
        return asyncio.run(bounded())
    except (OSError, TimeoutError) as error:
        return f"ended by {error!r}"


class Crowd:
    """People who chat, and what they notice of the attack."""

    def __init__(self, running: ServerProcess) -> None:
        self.target = Target(running.port)
        self.sent: dict[str, float] = {}
        self.acks: dict[str, float] = {}
        self.deliveries: list[float] = []
        self.seqs: list[int] = []

    async def join(self) -> None:
        """Let everybody in."""
        self.peers = [
            await self.target.open(
                handshake(CHAT, self.target.cookie()), self.listen
            )
            for _ in range(PEOPLE)
        ]
        for peer in self.peers:
            await peer.joined.wait()

    async def chat(self, number: int) -> None:
        """Say something twice a second."""
        await asyncio.sleep(number * SEND_INTERVAL / PEOPLE)
        while True:
            self.say(f"p{number}-{next(numbers)}")
            await asyncio.sleep(SEND_INTERVAL)

    async def chat_until(self, end: Awaitable[Any]) -> None:
        """Chat until something has happened and all has arrived."""
        chats = [asyncio.create_task(self.chat(n)) for n in range(PEOPLE)]
        await end
        for chat in chats:
            chat.cancel()
        wait = time.monotonic() + SETTLE_TIMEOUT
        while any(self.losses().values()) and time.monotonic() < wait:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def say(self, id: str) -> None:
        """Send a message, for the first time or again."""
        self.sent.setdefault(id, time.monotonic())
        number = int(id[1:].partition("-")[0])
        self.peers[number].send(message(id, f"Person {number}"))

    def listen(self, payload: bytes) -> None:
        """Note when a message of these people is acknowledged, or arrives."""
        now = time.monotonic()
        if b'"id":"p' not in payload or b'"messages"' in payload:
            return
        told = json.loads(payload)
        if told["type"] == "update":
            self.deliveries.append(now - self.sent[told["message"]["id"]])
        elif told["type"] == "ack":
            seq = told["seq"]
            self.seqs.append(seq)
            self.acks[told["id"]] = now - self.sent[told["id"]]
        elif "retry_after" in told:
            loop = asyncio.get_running_loop()
            loop.call_later(told["retry_after"], self.say, told["id"])

    def losses(self) -> dict[str, int]:
        """Count what is missing."""
        sent = len(self.sent)
        return {
            "acks": sent - len(self.acks),
            "deliveries": sent * (PEOPLE - 1) - len(self.deliveries),
            "connections": sum(peer.gone.is_set() for peer in self.peers),
        }

    def remembered(self) -> bool:
        """Whether the log still has the first message of these people."""
        page = self.target.page("hello-world", before=self.seqs[0] + 1)
        return any(each["id"][0] == "p" for each in page["messages"])


def memory(running: ServerProcess, field: str) -> float:
    """Return the server's VmRSS, or the peak of that, VmHWM, in MB."""
    status = Path(f"/proc/{running.process.pid}/status").read_text("utf-8")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def reset_peak(running: ServerProcess) -> None:
    """Let VmHWM begin with what VmRSS is now."""
    Path(f"/proc/{running.process.pid}/clear_refs").write_text("5", "utf-8")


def milliseconds(times: Collection[float]) -> str:
    """Return the median, the 99th percentile and the longest of some times."""
    if len(times) < 2:
        return "–"
    cuts = quantiles(times, n=100, method="inclusive")
    return " / ".join(
        f"{t * 1000:.0f}" for t in (cuts[49], cuts[98], max(times))
    )


async def measure(
    running: ServerProcess, name: str, seconds: float
) -> list[str]:
    """Attack a server while people chat: the cells of the table's row."""
    crowd = Crowd(running)
    await crowd.join()
    await crowd.chat_until(asyncio.sleep(2))
    if name.startswith("D1"):
        for _ in range(1_000):
            large = message(f"f{next(numbers)}", body="\N{DOLPHIN}" * 4_000)
            crowd.peers[0].send(large)
            await asyncio.sleep(0.01)
        await crowd.chat_until(asyncio.sleep(2))
    for counted in (crowd.sent, crowd.acks, crowd.deliveries):
        counted.clear()
    seq = crowd.seqs[-1]
    idle = memory(running, "VmRSS")
    reset_peak(running)
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, initializer=os.nice, initargs=(10,)) as pool:
        notes = loop.run_in_executor(pool, attack, name, running.port, seconds)
        await crowd.chat_until(notes)
    lost = [
        f"{count} {what}" for what, count in crowd.losses().items() if count
    ]
    peak = memory(running, "VmHWM") - idle
    stored = max(crowd.seqs) - seq - len(crowd.acks)
    if not await asyncio.to_thread(crowd.remembered):
        lost.append("what they said before")
    for peer in crowd.peers:
        peer.transport.abort()
    log = running.errors().splitlines()
    return [
        f"{max(peak, 0):.0f}",
        milliseconds(crowd.acks.values()),
        milliseconds(crowd.deliveries),
        ", ".join(lost) or "nothing",
        f"{await notes}; {len(log)} lines logged"
        + f"; {stored} messages stored" * (stored > 0),
    ]


def main() -> None:
    """Run the attacks that the command names, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.attacks", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--app-root", type=Path, default=ROOT)
    parser.add_argument("--fast", choices=["0", "1"])
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    # Ended by either signal, it stops the server.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage(5, given.app_root.resolve() / "demo_05")
    print(HEADER)
    for name, fast in itertools.product(ATTACKS, given.fast or "10"):
        if given.names and not any(each in name for each in given.names):
            continue
        # An older checkout may read files in the locale's encoding.
        settings = {"FAST_TRANSPORT": fast, "PYTHONWARNINGS": "default"}
        if name.startswith("D1"):  # the history is filled quickly
            settings["MAX_MESSAGES_PER_SECOND"] = "9999"
            settings["MAX_ROOM_MESSAGES_PER_SECOND"] = "9999"
        with start(stage, **settings) as running:
            running.expect_traceback()
            cells = asyncio.run(measure(running, name, given.seconds))
        print(f"| {' | '.join([name, fast, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
