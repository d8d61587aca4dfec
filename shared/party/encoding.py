"""Encode messages as the frames of a WebSocket: text or bytes."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

from pydantic_core import to_json

Frame: TypeAlias = str | bytes

HEARTBEAT, HEARTBEAT_REPLY = "ping", "pong"
"""A page's heartbeat and the reply: text frames that no hook receives."""


class SharedFrame(str):
    """A text frame for many connections: encoded once, and held once."""

    def __new__(cls, data: bytes) -> "SharedFrame":
        """Return a frame with a text in UTF-8; `data` holds the bytes."""
        frame = super().__new__(cls, data.decode())
        frame.data = data
        return frame

    data: bytes

    def __sizeof__(self) -> int:
        """Count both forms of the text."""
        return super().__sizeof__() + sys.getsizeof(self.data)


class EncodedJSON:
    """A value in JSON, for a frame: `send({"type": …, "messages": value})`.

    A frame that is equal to the previous one is the same object, so that all
    queues hold it once.
    """

    def __init__(self, json: bytes) -> None:
        self.json = json
        self._last: tuple[bytes, SharedFrame] | None = None

    def frame(self, message: dict[str, Any], key: str) -> SharedFrame:
        """Return a message as JSON, in which `key` has this value."""
        others = {name: message[name] for name in message if name != key}
        head = to_json({**others, key: 0}, exclude_none=True)
        if not self._last or self._last[0] != head:
            json = b"%b%b}" % (head.removesuffix(b"0}"), self.json)
            self._last = head, SharedFrame(json)
        return self._last[1]


ID_SCAN_BYTES = 4_096
"""Bytes of a rejected frame that are searched for the message's id."""

CALLED_IN_THREAD = (
    "Only the event loop can send or broadcast. In a thread, write "
    "loop.call_soon_threadsafe(room.broadcast, message)."
)


class OversizedFrame(bytes):
    """The beginning of a frame that is too large; the rest was dropped."""

    def __len__(self) -> int:
        return sys.maxsize


def encode(message: object) -> Frame:
    """Encode a message as a frame.

    Text and bytes stay as they are; a dict or a pydantic model becomes JSON
    text, a model without the keys whose value is None. Raises ValueError for
    text that is not valid Unicode, and RuntimeError in a thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(CALLED_IN_THREAD) from None
    if isinstance(message, dict):
        for key, value in message.items():
            if type(value) is EncodedJSON:
                return value.frame(message, key)
    elif isinstance(message, (bytes, SharedFrame)):
        return message
    elif isinstance(message, str):
        if not message.isascii():
            message.encode()
        return message
    return to_json(message, exclude_none=True, inf_nan_mode="null").decode()


def encode_newest(entries: Sequence[object], max_bytes: int) -> bytes:
    """Return the newest entries that fit into `max_bytes`, as a JSON list.

    At least one is in it, however large it is.
    """
    parts: list[bytes] = []
    for entry in reversed(entries):
        part = to_json(entry, exclude_none=True)
        max_bytes -= len(part) + 1
        if parts and max_bytes < 0:
            break
        parts.append(part)
    return b"[%b]" % b",".join(reversed(parts))


def as_ids(without: Collection[str]) -> Collection[str]:
    """Return a collection of ids; a single id may be given as a string."""
    if isinstance(without, str):
        return (without,)
    for each in without:
        if not isinstance(each, str):
            raise TypeError("without takes ids, as in without=[sender.id]")
    return without


def frame_size(frame: Frame) -> int:
    """Return the size of a frame in bytes."""
    return len(frame if isinstance(frame, bytes) else frame.encode())
