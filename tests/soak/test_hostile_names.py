"""Ten thousand room names, and ten thousand reports from outside."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect

from shared.party.limits import MAX_TARGET_BYTES

from ..integration.test_usage import FORGED
from ..support.server_process import HANDSHAKE, PATIENCE, ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HANDSHAKES, REQUESTS, REPORTS = 6_000, 4_000, 10_000
AT_ONCE = 100
"""Requests that go out together, over one of ten connections."""

MORE = 7_500
"""KiB that a server may hold more after all that than when it was warm.

It keeps each visitor's place in a room for ten seconds, about 1 KiB.
"""

METHODS = ["GET", "POST", "PUT", "OPTIONS"]
PARTIES = [
    *["presence"] * 29,
    "PRESENCE",
    "chatroom",
    "usage",
    "nobody",
    "..",
    "%00",
]


def odd(chance: random.Random, number: int) -> str:
    """The path of a room, of which there is no other with that name."""
    names = [
        f"room-{number}",
        f"{number}/../total",
        f"{number}\0\r\n\x1b[2J",
        f"ünï-{number}-🐬👩‍👩‍👧",
        f"{number}\u202e\ufeff\u2028",
        f"__proto__.{number}",
        f"{number}" + "x" * chance.choice([200, 251, 252, 2_000, 10_000]),
        "%" * chance.randrange(1, 80) + f"{number}",
    ]
    name = quote(chance.choice(names), safe="")
    name += chance.choice([""] * 9 + ["%FF", "%zz", "/", "//", "?_pk=a", ";"])
    return f"/parties/{chance.choice(PARTIES)}/{name}"


def report(chance: random.Random, number: int) -> bytes:
    """A report of tokens, by somebody who may not report any."""
    usages = [
        *("-3", "0.5", '"5"', "1e999", "NaN", "Infinity", "null", "true"),
        *("[5]", '{"usage": 5}', "9" * 400, "[" * 500, "5}{", "", "\0"),
        *(f'5, "usage": {number}', f'{number}, "__proto__": {{}}'),
    ]
    bodies = [
        f'{{"usage": {chance.choice(usages)}}}',
        f'{{"usage": {number}}}',
        f"usage={number}",
        f"[{number}]",
        "\ud800",
        "x" * (70_000 if number % 100 == 0 else 70),
    ]
    body = chance.choice(bodies).encode(errors="surrogatepass")
    headers = [
        f"{name.replace('_', '-')}: {value}"
        for name, value in chance.sample(sorted(FORGED.items()), 2)
        if name != "host"
    ]
    kind = chance.choice(["json", "x-www-form-urlencoded", "party.caller"])
    headers.append(f"Content-Type: application/{kind}")
    if chance.random() < 0.2:
        headers.append("Transfer-Encoding: chunked")
        body = (
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            if body
            else b"0\r\n\r\n"
        )
    else:
        headers.append(f"Content-Length: {len(body)}")
    method = chance.choice(["POST"] * 8 + ["PUT", "PATCH"])
    party = chance.choice(["usage", "Usage", "us%61ge"])
    return request(method, f"/parties/{party}/total", headers) + body


def request(method: str, path: str, headers: Any = ()) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of the next response on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if "content-length: " in head:
        length = head.partition("content-length: ")[2].partition("\r")[0]
        await reader.readexactly(int(length))
    return int(head.split()[1])


@asynccontextmanager
async def line(port: int) -> AsyncIterator[Line]:
    """A connection, for as long as the block lasts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def ask(port: int, requests: list[bytes]) -> Counter[int]:
    """Send requests over one connection, many at a time."""
    statuses: Counter[int] = Counter()
    async with line(port) as (reader, writer):
        for start in range(0, len(requests), AT_ONCE):
            some = requests[start : start + AT_ONCE]
            writer.write(b"".join(some))
            statuses.update([await answer(reader) for _ in some])
    return statuses


async def knock(port: int, paths: list[str]) -> Counter[int]:
    """Shake hands for each of the rooms, one after the other."""
    statuses: Counter[int] = Counter()
    for path in paths:
        async with line(port) as (reader, writer):
            writer.write(HANDSHAKE % path.encode())
            statuses[await answer(reader)] += 1
    return statuses


async def all_of(
    do: Callable[[int, list[Any]], Coroutine[Any, Any, Counter[int]]],
    port: int,
    each: list[Any],
) -> Counter[int]:
    """Do it over ten connections at once."""
    parts = [each[start::10] for start in range(10)]
    counts = await asyncio.gather(*(do(port, part) for part in parts))
    return sum(counts, Counter())


async def talk(port: int, over: asyncio.Event) -> int:
    """Two who chat meanwhile: how often the one was heard by the other."""
    url = f"ws://127.0.0.1:{port}/parties/chatroom/hello-world"
    heard = 0
    async with connect(url, proxy=None) as ada, connect(url, proxy=None) as bob:
        await ada.recv()
        await bob.recv()
        while not over.is_set():
            id = uuid4().hex
            message = {"id": id, "user": "Ada", "body": "hello"}
            async with asyncio.timeout(PATIENCE):
                await ada.send(
                    json.dumps({"type": "message", "message": message})
                )
                assert json.loads(await ada.recv())["type"] == "ack"
                assert json.loads(await bob.recv())["message"]["id"] == id
            heard += 1
            await asyncio.sleep(0.15)
    return heard


def test_ten_thousand_names_and_reports_change_and_leave_nothing(
    serve: Callable[..., ServerProcess], memory: Callable[[ServerProcess], int]
) -> None:
    """Twice: whatever a name or a report leaves shows the second time."""
    chance, numbers = random.Random(7), count()
    running = serve(MAX_NEW_ROOMS_PER_MINUTE="1000000", MAX_ROOMS="200")
    port = running.port

    def paths(many: int) -> list[str]:
        return [odd(chance, next(numbers)) for _ in range(many)]

    async def flood() -> None:
        doors = await all_of(knock, port, paths(HANDSHAKES))
        assert set(doors) == {403, 404, 414}
        # A longer target ends its connection, and what comes behind it.
        short = [p for p in paths(REQUESTS) if len(p) <= MAX_TARGET_BYTES]
        heads = [request(chance.choice(METHODS), p) for p in short]
        assert set(await all_of(ask, port, heads)) == {404}
        reports = [report(chance, next(numbers)) for _ in range(REPORTS)]
        assert set(await all_of(ask, port, reports)) == {403, 405, 413}

    async def party() -> None:
        over = asyncio.Event()
        talking = asyncio.create_task(talk(port, over))
        await flood()
        over.set()
        assert await talking

    with running.join("total", "usage") as watcher:
        assert watcher.next() == {"tally": 0}
        asyncio.run(party())
        warm = memory(running)
        asyncio.run(party())
        assert memory(running) - warm < MORE
        assert running.get("/parties/usage/total").json() == {"tally": 0}
        with pytest.raises(TimeoutError):
            watcher.socket.recv(timeout=0.2)
    # Addresses that are too long; of those lines, there is a limit.
    lines = running.errors().splitlines()
    assert all("Invalid HTTP request" in each for each in lines)
