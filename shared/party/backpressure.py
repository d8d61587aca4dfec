"""Backpressure: wait for a client that reads slowly, or stop waiting."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from types import coroutine
from typing import Any, Protocol

from starlette.websockets import WebSocket

from .encoding import Frame, SharedFrame

STALL_TIMEOUT = 4.0
"""Seconds after which a client that reads nothing counts as stalled."""

STALL_CHECKS = 4
"""The number of checks for progress in STALL_TIMEOUT."""


class SocketControl(Protocol):
    """Control of a socket, which our uvicorn protocol offers beside ASGI."""

    writable: asyncio.Event
    """Cleared while the write buffer is above its high-water mark."""

    def attach(self, connection: Any, limiter: Any) -> None:
        """Receive for a connection in its room, within its rate limit."""

    def stop_reading(self) -> None:
        """Parse nothing any more of what the client sends."""

    def buffered_bytes(self) -> int:
        """Return the size of the write buffer."""

    def close_now(self, code: int, reason: str) -> None:
        """Close without waiting for the client to read."""

    def abort(self) -> None:
        """Abort the connection, and drop the write buffer."""


def socket_control(websocket: WebSocket) -> SocketControl | None:
    """Return the control of a WebSocket's socket, if the server offers it."""
    extensions = websocket.scope.get("extensions", {})
    control: SocketControl | None = extensions.get("party.socket")
    return control


def direct_socket(websocket: WebSocket) -> Any:
    """Return the protocol that writes frames past ASGI, if there is one."""
    return websocket.scope.get("extensions", {}).get("party.direct_socket")


async def send_frame(websocket: WebSocket, frame: Frame) -> None:
    """Send a frame, once there is room for it in the write buffer."""
    if isinstance(frame, bytes):
        await websocket.send_bytes(frame)
    elif isinstance(frame, SharedFrame) and (
        protocol := direct_socket(websocket)
    ):
        protocol.write_shared(frame)
    else:
        await websocket.send_text(frame)


async def send_in_time(sending: Awaitable[None]) -> None:
    """Await a send; TimeoutError if the client is stalled."""
    async with asyncio.timeout(STALL_TIMEOUT):
        await sending


def start_coroutine(
    sending: Coroutine[Any, Any, None],
) -> Awaitable[None] | None:
    """Run a coroutine until it waits; return the rest, None if it is done."""
    try:
        waits_for = sending.send(None)
    except StopIteration:
        return None
    return resume(sending, waits_for)


@coroutine
def resume(
    sending: Coroutine[Any, Any, None], waits_for: Any
) -> Generator[Any, Any, None]:
    """Continue a started coroutine in the task that awaits this."""
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


def congested(websocket: WebSocket) -> SocketControl | None:
    """Return the control of a WebSocket whose write buffer is full."""
    control = socket_control(websocket)
    return None if control is None or control.writable.is_set() else control


async def drain(control: SocketControl, unread: int) -> None:
    """Wait until the write buffer is drained; TimeoutError if it stalls.

    `unread` is its size in bytes now.
    """
    checks = 0
    while not control.writable.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(STALL_TIMEOUT / STALL_CHECKS):
                await control.writable.wait()
        before, unread = unread, control.buffered_bytes()
        checks = checks + 1 if unread >= before else 0
        if checks == STALL_CHECKS:
            raise TimeoutError


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close after all that was sent; TimeoutError if the client is stalled."""
    async with asyncio.timeout(STALL_TIMEOUT):
        await websocket.close(code, reason)
