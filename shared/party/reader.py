"""Whoever reads at the other end: they may be slow, but not stop reading."""

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket

from .frames import Frame

PATIENCE = 4.0
"""Seconds that a reader may take nothing of what was sent."""

LOOKS = 4
"""How often it is looked at meanwhile."""


async def send(websocket: WebSocket, frame: Frame) -> None:
    """Send a frame; TimeoutError if nothing before it is read any more."""
    unread, looks = still_unread(websocket), 0
    while looks < LOOKS:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE / LOOKS):
                if isinstance(frame, str):
                    return await websocket.send_text(frame)
                return await websocket.send_bytes(frame)
        before, unread = unread, still_unread(websocket)
        looks = looks + 1 if unread >= before else 0
    raise TimeoutError


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close, behind what was sent; TimeoutError if that is not read."""
    async with asyncio.timeout(PATIENCE):
        await websocket.close(code, reason)


# Only our own server can do what follows: see protocol.py.


def still_unread(websocket: WebSocket) -> int:
    """How many bytes the system has not even begun to send."""
    extensions = websocket.scope.get("extensions", {})
    unread: int = extensions.get("party.unread", int)()
    return unread


def hang_up(websocket: WebSocket, code: int, reason: str) -> None:
    """Close without waiting for the reader."""
    extensions = websocket.scope.get("extensions", {})
    if "party.hang_up" in extensions:
        extensions["party.hang_up"](code, reason)
