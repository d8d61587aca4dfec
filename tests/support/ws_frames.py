"""WebSocket frames as bytes (RFC 6455), those too that no library sends."""

import base64
import hashlib
import socket
import struct
from contextlib import suppress

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

RSV1 = 0x40
"""The bit of a compressed frame, in its first byte."""

MASK = b"\x01\x02\x03\x04"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    size: bytes = b"",
) -> bytes:
    """Return a frame; `size` replaces the encoded length of the payload."""
    first = fin << 7 | reserved << 4 | opcode
    mask = masked << 7
    length = len(payload)
    if size:
        encoded = size
    elif length < 126:
        encoded = bytes([mask | length])
    elif length < 65_536:
        encoded = bytes([mask | 126]) + length.to_bytes(2)
    else:
        encoded = bytes([mask | 127]) + length.to_bytes(8)
    sent = mask_payload(payload) if masked else payload
    return bytes([first]) + encoded + sent


def server_frame(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    return frame(TEXT, payload, masked=False)


def mask_payload(payload: bytes) -> bytes:
    """Return the masking key and the masked payload, as a client sends it."""
    return MASK + xor(payload, MASK)


def xor(payload: bytes, key: bytes) -> bytes:
    """Mask or unmask a payload."""
    length = len(payload)
    keys = (key * (length // 4 + 1))[:length]
    number = int.from_bytes(payload) ^ int.from_bytes(keys)
    return number.to_bytes(length)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Return a client's close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def parse_frame(data: bytes | bytearray, at: int) -> tuple[int, bytes, int]:
    """Return the frame at an index: its first byte, its payload, its end.

    The end is 0 as long as the frame is not complete.
    """
    incomplete = 0, b"", 0
    if len(data) < at + 2:
        return incomplete
    first, length = data[at], data[at + 1] & 0x7F
    start = at + 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) < start + size:
            return incomplete
        length = int.from_bytes(data[start : start + size])
        start += size
    key = b""
    if data[at + 1] & 0x80:
        key = bytes(data[start : start + 4])
        start += 4
    end = start + length
    if len(data) < end:
        return incomplete
    payload = bytes(data[start:end])
    return first, xor(payload, key) if key else payload, end


def parse_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the complete frames, as opcode and payload, and the rest."""
    frames, at = [], 0
    while (found := parse_frame(data, at))[2]:
        first, payload, at = found
        frames.append((first & 15, payload))
    return frames, data[at:]


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    data = b""
    with suppress(ConnectionResetError):
        while more := sock.recv(65_536):
            data += more
    return data


def close_code(data: bytes) -> int:
    """Return the code of the close frame at the end of the data; 0 if none."""
    (*_, (opcode, payload)), rest = parse_frames(data)
    assert (opcode, rest) == (CLOSE, b"")
    return int.from_bytes(payload[:2])


def accept_key(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + GUID).digest())
