"""What travels over a WebSocket: text or bytes."""

from typing import TypeAlias

from pydantic_core import to_json

Frame: TypeAlias = str | bytes


def encode(message: object) -> Frame:
    """Turn a message into a frame.

    Text and bytes stay as they are; a dict or a pydantic model becomes JSON
    text, without those keys whose value is None.
    """
    if isinstance(message, str | bytes):
        return message
    return to_json(message, exclude_none=True).decode()


def size(frame: Frame) -> int:
    """How many bytes a frame has."""
    return len(frame if isinstance(frame, bytes) else frame.encode())
