"""WebSocket frames as bytes, for those who count them."""

import base64
import hashlib
import os

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TEXT = 0x81
CLOSE = 0x88
COMPRESSED = 0x40
"""The bit that says that a frame is compressed."""


def frame(payload: bytes) -> bytes:
    """A text frame as a server sends it."""
    return header(len(payload), 0) + payload


def masked(payload: bytes) -> bytes:
    """A text frame as a browser sends it."""
    key = os.urandom(4)
    return header(len(payload), 0x80) + key + mask(payload, key)


def header(length: int, bit: int) -> bytes:
    """What comes before the payload of a text frame, or before its mask."""
    if length < 126:
        return bytes([TEXT, bit | length])
    return bytes([TEXT, bit | 126]) + length.to_bytes(2)


def mask(payload: bytes, key: bytes) -> bytes:
    """Mask a payload, or unmask it."""
    length = len(payload)
    keys = (key * (length // 4 + 1))[:length]
    both = int.from_bytes(payload) ^ int.from_bytes(keys)
    return both.to_bytes(length)


def next_frame(data: bytes | bytearray, at: int) -> tuple[int, bytes, int]:
    """The frame at a place: its first byte, its payload, and where it ends.

    The end is 0 if not all of it is there yet.
    """
    nothing = 0, b"", 0
    if len(data) < at + 2:
        return nothing
    first, length = data[at], data[at + 1] & 0x7F
    start = at + 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) < start + size:
            return nothing
        length = int.from_bytes(data[start : start + size])
        start += size
    key = b""
    if data[at + 1] & 0x80:
        key = bytes(data[start : start + 4])
        start += 4
    end = start + length
    if len(data) < end:
        return nothing
    payload = bytes(data[start:end])
    return first, mask(payload, key) if key else payload, end


def accept(key: bytes) -> bytes:
    """What a server answers to the key of a handshake."""
    return base64.b64encode(hashlib.sha1(key + GUID).digest())
