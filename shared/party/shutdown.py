"""Close all rooms when the server stops."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from .room import Room

RESTARTING = 1012, "The server restarts. Come back in a moment."
"""The close code and reason of all connections."""

CANCEL_TIMEOUT = 0.25
"""Seconds for cancelled hooks to clean up, and for close frames to leave."""


async def close_rooms(rooms: list[Room], grace: float) -> None:
    """Let hooks finish for `grace` seconds, then close all connections.

    A hook that takes longer is cancelled, and has a moment to clean up.
    """
    await _wait([task for room in rooms for task in room._tasks], grace)
    late = [task for room in rooms for task in room._tasks]
    for task in late:
        task.cancel()
    await _wait(late, CANCEL_TIMEOUT)
    for room in rooms:
        room._flush_pending()
    connections = [each for room in rooms for each in room.connections()]
    for connection in connections:
        connection.close(*RESTARTING)
    await _wait([each._wait_sent() for each in connections], CANCEL_TIMEOUT)


async def _wait(
    awaited: Iterable[Coroutine[Any, Any, None] | asyncio.Task[None]],
    seconds: float,
) -> None:
    if tasks := [asyncio.ensure_future(each) for each in awaited]:
        await asyncio.wait(tasks, timeout=seconds)
