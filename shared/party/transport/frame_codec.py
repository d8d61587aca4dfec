"""The format of WebSocket frames: RFC 6455, section 5.2."""

from websockets.frames import Opcode, apply_mask  # type: ignore[attr-defined]

from ..encoding import Frame

FIN, RSV1, MASKED = 0x80, 0x40, 0x80
"""Bits of the first byte, and one of the second; RSV1: it is compressed."""

TEXT, BINARY = FIN | Opcode.TEXT, FIN | Opcode.BINARY
CLOSE, PING, PONG = FIN | Opcode.CLOSE, FIN | Opcode.PING, FIN | Opcode.PONG
"""First bytes of frames that are a whole message each."""


def header(first: int, size: int) -> bytes:
    """Return the header of a server's frame with `size` bytes of payload."""
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8)


def encode_payload(frame: Frame) -> tuple[int, bytes]:
    """Return the first byte of a message's frame, and its payload."""
    if isinstance(frame, bytes):
        return BINARY, frame
    return TEXT, frame.encode()


def serialize(first: int, payload: bytes) -> bytes:
    """Return a frame as a server sends it."""
    return header(first, len(payload)) + payload


def unmask(data: bytes, mask: int, end: int) -> bytes:
    """Return the payload of a client's frame, whose mask is at `mask`."""
    payload: bytes = apply_mask(data[mask + 4 : end], data[mask : mask + 4])
    return payload


def parse_single(data: bytes) -> bytes:
    """Return the payload if `data` is one short binary frame, else nothing."""
    if 6 < len(data) == data[1] - MASKED + 6 < 132 and data[0] == BINARY:
        return unmask(data, 2, len(data))
    return b""
