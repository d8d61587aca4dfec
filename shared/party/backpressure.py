"""Whoever reads at the other end: they may be slow, but not stop reading."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from types import coroutine
from typing import Any, Protocol

from starlette.websockets import WebSocket

from .encoding import Frame, SharedFrame

PATIENCE = 4.0
"""Seconds that a reader may take nothing of what was sent."""

LOOKS = 4
"""How often it is looked at meanwhile."""


class Line(Protocol):
    """What our own server offers beside ASGI: see protocol.py."""

    writable: asyncio.Event

    def begin(self, connection: Any, gate: Any) -> None:
        """Read for a connection in its room, within the limits of a gate."""

    def stop_reading(self) -> None:
        """Parse nothing any more of what comes."""

    def buffered_bytes(self) -> int:
        """Return how many bytes are written, but not taken by the system."""

    def hang_up(self, code: int, reason: str) -> None:
        """Close without waiting for the reader."""

    def abort(self) -> None:
        """Cut the connection, whatever has not been read."""


def line_of(websocket: WebSocket) -> Line | None:
    """The line behind a WebSocket, with our own server."""
    line: Line | None = websocket.scope.get("extensions", {}).get("party.line")
    return line


def shortcut(websocket: WebSocket) -> Any:
    """What a faster way of sending needs of a WebSocket, where there is one."""
    return websocket.scope.get("extensions", {}).get("party.shortcut")


async def send_frame(websocket: WebSocket, frame: Frame) -> None:
    """Send a frame, once there is room for it in the write buffer."""
    if isinstance(frame, bytes):
        await websocket.send_bytes(frame)
    elif isinstance(frame, SharedFrame) and (line := shortcut(websocket)):
        line.write_shared(frame)
    else:
        await websocket.send_text(frame)


async def in_time(sending: Awaitable[None]) -> None:
    """Wait until a frame is sent; TimeoutError if nothing is read any more."""
    async with asyncio.timeout(PATIENCE):
        await sending


def begin(sending: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Run a coroutine until it waits; None if it does not, and has ended."""
    try:
        waits_for = sending.send(None)
    except StopIteration:
        return None
    return resume(sending, waits_for)


@coroutine
def resume(
    sending: Coroutine[Any, Any, None], waits_for: Any
) -> Generator[Any, Any, None]:
    """Go on with a coroutine that waits, in the task that awaits this."""
    while True:
        try:
            value = yield waits_for
        except BaseException as error:
            step = partial(sending.throw, error)
        else:
            step = partial(sending.send, value)
        try:
            waits_for = step()
        except StopIteration:
            return


def congested(websocket: WebSocket) -> Line | None:
    """Return the line behind a WebSocket, if its write buffer is full."""
    line = line_of(websocket)
    return None if line is None or line.writable.is_set() else line


async def settle(line: Line, unread: int) -> None:
    """Wait until much is read, as long as more and more is."""
    looks = 0
    while not line.writable.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE / LOOKS):
                await line.writable.wait()
        before, unread = unread, line.buffered_bytes()
        looks = looks + 1 if unread >= before else 0
        if looks == LOOKS:
            raise TimeoutError


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close, behind what was sent; TimeoutError if that is not read."""
    async with asyncio.timeout(PATIENCE):
        await websocket.close(code, reason)


def hang_up(websocket: WebSocket, code: int, reason: str) -> None:
    """Close without waiting for the reader, where that can be done."""
    if line := line_of(websocket):
        line.hang_up(code, reason)
