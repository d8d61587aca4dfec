"""WebSocket frames, as a server writes them and in their simplest form."""

from ..encoding import Frame
from .frame_reader import BINARY, MASKED, RSV1, TEXT, unmask

PACKED = RSV1
"""The bit in the first byte of a compressed frame."""


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


def alone(data: bytes) -> bytes:
    """What a short binary frame says, if `data` is one and nothing else."""
    if 6 < len(data) == data[1] - MASKED + 6 < 132 and data[0] == BINARY:
        return unmask(data, 2, len(data))
    return b""
