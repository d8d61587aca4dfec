"""People who come and go all the time: `make soak` runs it."""

import asyncio
import json
from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ..support.server_process import ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.stages(2), pytest.mark.timeout(300)]


def frame(number: int, body: str) -> str:
    message = {"id": f"m{number}", "user": "Ada", "body": body, "role": "user"}
    return json.dumps({"type": "message", "message": message})


def test_guests_who_come_and_go_all_the_time_leave_nothing(
    running: ServerProcess, memory: Callable[[ServerProcess], int]
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
