"""What travels over a WebSocket, text or bytes, and to whom."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

from pydantic_core import to_json

Frame: TypeAlias = str | bytes

PING, PONG = "ping", "pong"
"""A page's heartbeat and its answer: text frames, which no room sees."""


class SharedFrame(str):
    """Text that many connections are sent: encoded once, and held once."""

    def __new__(cls, data: bytes) -> "SharedFrame":
        """Make a frame of UTF-8, which stays at hand as `data`."""
        frame = super().__new__(cls, data.decode())
        frame.data = data
        return frame

    data: bytes

    def __sizeof__(self) -> int:
        """Count both forms of the text."""
        return super().__sizeof__() + sys.getsizeof(self.data)


LOOKED_AT = 4_096
"""How much of a frame that is refused is looked at, to name its message."""

IN_A_THREAD = (
    "A thread cannot send or broadcast. There, it takes the event loop: "
    "loop.call_soon_threadsafe(room.broadcast, message)"
)


class Oversized(bytes):
    """The beginning of a frame that is too large, and was not kept."""

    def __len__(self) -> int:
        return sys.maxsize


def encode(message: object) -> Frame:
    """Turn a message into a frame.

    Text and bytes stay as they are; a dict or a pydantic model becomes JSON
    text, a model without those keys whose value is None. Raises for what
    cannot be that, such as half a letter: before anybody is sent it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(IN_A_THREAD) from None
    if isinstance(message, (bytes, SharedFrame)):
        return message
    if isinstance(message, str):
        if not message.isascii():
            message.encode()
        return message
    return to_json(message, exclude_none=True, inf_nan_mode="null").decode()


def with_newest(
    frame: dict[str, Any], messages: Sequence[object], max_bytes: int
) -> bytes:
    """Return a frame as JSON, with the newest messages that fit into it.

    That is at least one, however large it is.
    """
    parts: list[bytes] = []
    for message in reversed(messages):
        part = to_json(message, exclude_none=True)
        max_bytes -= len(part) + 1
        if parts and max_bytes < 0:
            break
        parts.append(part)
    head = to_json(frame).removesuffix(b"}")
    return b'%b,"messages":[%b]}' % (head, b",".join(reversed(parts)))


def ids(without: Collection[str]) -> Collection[str]:
    """Those ids; one may come without a list around it, but as an id."""
    if isinstance(without, str):
        return (without,)
    if not all(isinstance(each, str) for each in without):
        raise TypeError("without takes ids, as in without=[sender.id]")
    return without


def size(frame: Frame) -> int:
    """How many bytes a frame has."""
    return len(frame if isinstance(frame, bytes) else frame.encode())
