"""WebSocket frames by hand: those, too, that no library would send."""

import socket
import struct
from contextlib import suppress

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

MASK = b"\x01\x02\x03\x04"


def frame(
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    size: bytes = b"",
) -> bytes:
    """A frame; `size` is its length where that is not to be the real one."""
    head = fin << 7 | reserved << 4 | opcode
    mask = masked << 7
    length = len(payload)
    if size:
        sized = size
    elif length < 126:
        sized = bytes([mask | length])
    elif length < 65_536:
        sized = bytes([mask | 126]) + length.to_bytes(2)
    else:
        sized = bytes([mask | 127]) + length.to_bytes(8)
    return bytes([head]) + sized + (veil(payload) if masked else payload)


def veil(payload: bytes) -> bytes:
    """A payload as a client sends it: the mask, and what is masked."""
    mask = MASK * (len(payload) // 4 + 1)
    number = int.from_bytes(payload) ^ int.from_bytes(mask[: len(payload)])
    return MASK + number.to_bytes(len(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """A frame that closes."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


def read_all(bare: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    heard = b""
    with suppress(ConnectionResetError):
        while some := bare.recv(65_536):
            heard += some
    return heard


def unwrap(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The frames that a server sent, and the beginning of the next."""
    frames = []
    at = 0
    while len(data) >= at + 2:
        start, size = at + 2, data[at + 1]
        for mark, more in ((126, 2), (127, 8)):
            if data[at + 1] == mark:
                start = at + 2 + more
                size = int.from_bytes(data[at + 2 : start])
        if len(data) < start + size:
            break
        frames.append((data[at] & 15, data[start : start + size]))
        at = start + size
    return frames, data[at:]


def close_code(data: bytes) -> int:
    """The code of the frame that closes, 0 if it has none."""
    (*_, (opcode, payload)), rest = unwrap(data)
    assert (opcode, rest) == (CLOSE, b"")
    return int.from_bytes(payload[:2])
