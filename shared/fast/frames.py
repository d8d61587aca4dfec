"""Simple WebSocket frames, as bytes; all others are for a real parser."""

import sys
from collections.abc import Collection

from websockets.frames import apply_mask  # type: ignore[attr-defined]

from ..party.frames import Frame

TEXT, BINARY, PING, PONG = 0x81, 0x82, 0x89, 0x8A
SIMPLE = frozenset({TEXT, BINARY, PING, PONG})
"""How frames begin that are whole, and not compressed."""

MASKED = 128
"""What is added to the size of what a client sends."""


def head(first: int, size: int) -> bytes:
    """What a server writes before so many bytes."""
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8)


def wrap(frame: Frame) -> bytes:
    """A frame as a server writes it."""
    if isinstance(frame, str):
        data = frame.encode()
        return head(TEXT, len(data)) + data
    return head(BINARY, len(frame)) + frame


def extent(data: bytes, at: int, kinds: Collection[int]) -> tuple[int, int]:
    """Where a client's frame has its mask, and where it ends.

    It ends beyond everything as long as that cannot be told, and at 0 if it is
    not of those kinds, or is not simple.
    """
    have = len(data) - at
    if have < 2:
        return 0, sys.maxsize
    kind, size = data[at], data[at + 1] - MASKED
    if kind not in kinds or not 0 <= size < 127:
        return 0, 0
    if size < 126:
        return at + 2, at + 6 + size
    if kind in (PING, PONG):
        return 0, 0
    if have < 4:
        return 0, sys.maxsize
    return at + 4, at + 8 + (data[at + 2] << 8 | data[at + 3])


def unmask(data: bytes, mask: int, end: int) -> bytes:
    """What a client's frame says."""
    said: bytes = apply_mask(data[mask + 4 : end], data[mask : mask + 4])
    return said
