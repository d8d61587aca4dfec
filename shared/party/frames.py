"""What travels over a WebSocket, text or bytes, and to whom."""

import asyncio
from collections.abc import Collection
from typing import TypeAlias

from pydantic_core import to_json

Frame: TypeAlias = str | bytes

IN_A_THREAD = (
    "A thread cannot send or broadcast. There, it takes the event loop: "
    "loop.call_soon_threadsafe(room.broadcast, message)"
)


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
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        if not message.isascii():
            message.encode()
        return message
    return to_json(message, exclude_none=True, inf_nan_mode="null").decode()


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
