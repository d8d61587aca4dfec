"""What floods, fuzzes and stalls: `make soak` runs it."""

import asyncio
import json
import random
import socket
from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .running import Running

pytestmark = [pytest.mark.soak, pytest.mark.stages(2), pytest.mark.timeout(300)]

GUESTS, STALLED, MESSAGES = 50, 10, 1_500


def frame(number: int, body: str) -> str:
    message = {"id": f"m{number}", "user": "Ada", "body": body, "role": "user"}
    return json.dumps({"type": "message", "message": message})


def stalled_socket(running: Running, number: int) -> socket.socket:
    """A guest that shakes hands, and never reads again."""
    guest = socket.socket()
    guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    guest.connect(("127.0.0.1", running.port))
    guest.sendall(
        f"GET /parties/chatroom/hello-world?_pk=stalled{number} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{running.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert guest.recv(12) == b"HTTP/1.1 101"
    return guest


async def listen(guest: ClientConnection) -> list[str]:
    """The ids of all that is said, in the order heard."""
    heard: list[str] = []
    while len(heard) < MESSAGES:
        told = json.loads(await guest.recv())
        if told["type"] == "update":
            heard.append(told["message"]["id"])
    return heard


def test_stalled_readers_cost_nobody_a_message(
    serve: Callable[..., Running],
) -> None:
    """Seen to catch: `await websocket.send_text` in `deliver`."""
    running = serve(MESSAGES_A_SECOND="10000")
    url = f"ws://127.0.0.1:{running.port}/parties/chatroom/hello-world"
    stalled = [stalled_socket(running, number) for number in range(STALLED)]

    async def party() -> list[list[str]]:
        async with asyncio.timeout(200):
            guests = [
                await connect(url, proxy=None, max_queue=None)
                for _ in range(GUESTS)
            ]
            ears = [asyncio.create_task(listen(guest)) for guest in guests[1:]]
            for number in range(MESSAGES):
                await guests[0].send(frame(number, "x" * 4000))
                while json.loads(await guests[0].recv())["type"] != "ack":
                    pass
            heard = await asyncio.gather(*ears)
            for guest in guests:
                await guest.close()
            return list(heard)

    try:
        said = [f"m{number}" for number in range(MESSAGES)]
        assert asyncio.run(party()) == [said] * (GUESTS - 1)
        assert running.errors().count("does not keep up") == STALLED
    finally:
        for guest in stalled:
            guest.close()


def mutated(chance: random.Random) -> bytes | str:
    """A frame that was valid once, or nearly."""
    text = frame(chance.randrange(1000), chance.choice(["hi", "ü", "🎈" * 9]))
    letters = list(text)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(letters))
        pieces = ['"', "{", "}", "[", "\\", "\x00", "9" * 30, "null", "true"]
        letters[at] = chance.choice(
            [*pieces, "", chr(chance.randrange(0xD7FF))]
        )
    text = "".join(letters)
    return text.encode() if chance.random() < 0.1 else text


def test_no_frame_of_thousands_goes_unanswered(
    serve: Callable[..., Running],
) -> None:
    """Each is acknowledged or refused, and the room goes on."""
    running = serve(MESSAGES_A_SECOND="10000")
    chance = random.Random(20)
    url = f"ws://127.0.0.1:{running.port}/parties/chatroom/room-4"

    async def fuzz() -> None:
        async with asyncio.timeout(200), connect(url, proxy=None) as guest:
            assert json.loads(await guest.recv())["type"] == "history"
            for _ in range(5_000):
                await guest.send(mutated(chance))
                told = json.loads(await guest.recv())
                assert told["type"] in ("ack", "error")

    asyncio.run(fuzz())
    with running.join("room-4") as ada, running.join("room-4") as bob:
        ada.say("still here")
        assert bob.hear("still here")


def test_guests_who_come_and_go_all_the_time_leave_nothing(
    running: Running, memory: Callable[[Running], int]
) -> None:
    url = f"ws://127.0.0.1:{running.port}/parties/chatroom/party-chat"

    async def visit(number: int) -> None:
        try:
            async with connect(f"{url}?_pk=p{number % 7}", proxy=None) as guest:
                await guest.recv()
                await guest.send(frame(number, "hello"))
        except ConnectionClosed:
            pass  # somebody else came with the same id

    async def visits(count: int) -> None:
        for start in range(0, count, 20):
            await asyncio.gather(*map(visit, range(start, start + 20)))

    asyncio.run(visits(400))
    before = memory(running)
    asyncio.run(visits(2_000))
    assert memory(running) - before < 20_000
