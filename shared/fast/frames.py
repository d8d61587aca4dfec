"""Simple WebSocket frames, as bytes; all others are for a real parser."""

import sys

from websockets.frames import apply_mask  # type: ignore[attr-defined]

from ..party.frames import Frame

TEXT, BINARY, PING, PONG = 0x81, 0x82, 0x89, 0x8A
PACKED = 0x40
"""What is added to that if a frame is compressed."""

SIMPLE = {TEXT, BINARY, PING, PONG, TEXT | PACKED, BINARY | PACKED}

MASKED = 128
"""What is added to the size of what a client sends."""


def head(first: int, size: int) -> bytes:
    """What a server writes before so many bytes."""
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8)


def parts(frame: Frame) -> tuple[int, bytes]:
    """How a frame begins, and what it says."""
    if isinstance(frame, bytes):
        return BINARY, frame
    return TEXT, frame.encode()


def wrap(kind: int, said: bytes) -> bytes:
    """A frame as a server writes it."""
    return head(kind, len(said)) + said


def extent(data: bytes, at: int) -> tuple[int, int]:
    """Where a client's frame has its mask, and where it ends.

    It ends beyond everything as long as that cannot be told, and at 0 if it is
    not simple.
    """
    have = len(data) - at
    if have < 2:
        return 0, sys.maxsize
    kind, size = data[at], data[at + 1] - MASKED
    if kind not in SIMPLE or not 0 <= size < 127:
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


def alone(data: bytes) -> bytes:
    """What a short binary frame says, if `data` is one and nothing else."""
    if 6 < len(data) == data[1] - MASKED + 6 < 132 and data[0] == BINARY:
        return unmask(data, 2, len(data))
    return b""
