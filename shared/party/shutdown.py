"""How all rooms end, when the server does."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from .rooms import Room

RESTARTING = 1012, "The server restarts. Come back in a moment."
"""With what connections are closed."""

MOMENT = 0.25
"""Seconds that what ends has for its last words."""


async def end(rooms: list[Room], grace: float) -> None:
    """Let hooks finish for `grace` seconds, then close all connections.

    A hook that is late is cancelled, and has a moment to clean up.
    """
    await finish([hook for room in rooms for hook in room.hooks], grace)
    late = [hook for room in rooms for hook in room.hooks]
    for hook in late:
        hook.cancel()
    await finish(late, MOMENT)
    for room in rooms:
        room.release_all()
    connections = [each for room in rooms for each in room.connections()]
    for connection in connections:
        connection.close(*RESTARTING)
    await finish([each.closed() for each in connections], MOMENT)


async def finish(
    awaited: Iterable[Coroutine[Any, Any, None] | asyncio.Task[None]],
    seconds: float,
) -> None:
    """Wait until all of it is done, but no longer."""
    if tasks := [asyncio.ensure_future(each) for each in awaited]:
        await asyncio.wait(tasks, timeout=seconds)
