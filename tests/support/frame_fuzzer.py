"""Frames that were valid once: what a fuzzer sends."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgpack

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 2**31, 2**63 - 1, -(2**63)),
    *(2**64 - 1, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "\0", "AI", "system", "x" * 41, "x" * 65, "x" * 4_001),
    *("\N{DOLPHIN}" * 9, "\u202e", "\ufeff", "__proto__", "{}", "null"),
    *([], {}, [[]], [None] * 20, {"": ""}, {"type": "message"}),
]
"""Values to replace another value with."""

TOKENS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\xff"),
    *(b"null", b"NaN", b"Infinity", b"-", b"1e999", b"9" * 400, b"0x10"),
    *(b"\\ud800", b"\\udfff\\ud800", b"\\u0000", b"\\x41", b"\xed\xa0\x80"),
    *(b"\xc1", b"\xc7\x05\x01hello", b"\xd6\xff\x00\x00\x00\x01"),
    *(b"\xd8\x7f" + b"\0" * 16, b"\xdf\xff\xff\xff\xff", b"\xc6\x7f\xff"),
    *(b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc4\x04type"),
    *(b"\x81\xc0\xc0", b"\xcb\x7f\xf8" + b"\0" * 6, b"\xca\x7f\x80\0\0"),
]
"""Fragments to insert anywhere: JSON and msgpack that mean trouble."""


class FrameFuzzer:
    """Makes valid frames, and others of them, as a seed will have it."""

    def __init__(
        self, seed: int, valid: Callable[[random.Random], Any], json: float
    ) -> None:
        self.chance = random.Random(seed)
        self.valid = valid
        self.json = json

    def packed(self, frame: Any) -> bytes:
        """A frame as it travels: so many in JSON, the others in msgpack."""
        if self.chance.random() < self.json:
            return json.dumps(frame, ensure_ascii=False).encode(
                errors="surrogatepass"
            )
        packed: bytes = msgpack.packb(frame, unicode_errors="surrogatepass")
        return packed

    def next(self) -> bytes:
        """A frame with something wrong in it, most of the time."""
        frame = self.valid(self.chance)
        altered, broken = self.chance.choice(
            ((0, 0), (0, 1), (0, 3), (1, 0), (1, 0), (2, 0), (1, 1))
        )
        for _ in range(altered):
            frame = self.altered(frame)
        data = self.packed(frame)
        for _ in range(broken):
            data = self.broken(data)
        return data

    def altered(self, value: Any) -> Any:
        """A value with another one in it, or without one of its parts."""
        chance = self.chance
        if not isinstance(value, dict) or not value or chance.random() < 0.1:
            return chance.choice(ODD)
        key = chance.choice(list(value))
        rest = {name: each for name, each in value.items() if name != key}
        how = chance.randrange(10)
        if how == 0:
            return rest
        if how == 1:
            return {**rest, chance.choice(("x", "type", "id", "Type")): 1}
        if how == 2:
            return {**rest, key: [value[key]]}
        return {**rest, key: self.altered(value[key])}

    def broken(self, data: bytes) -> bytes:
        """Bytes with something done to them that knows no format."""
        chance = self.chance
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        how = chance.randrange(100)
        if how < 30 and data:
            bit = 1 << chance.randrange(8)
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        if how < 55:
            return data[:at] + chance.choice(TOKENS) + data[at:]
        if how < 70:
            return data[:at] + data[to:]
        if how < 80:
            return data[:to] + data[at:to] + data[to:]
        if how < 85:
            return data[:at]
        if how < 95:
            other = self.packed(self.valid(chance))
            return data[:at] + other[chance.randrange(len(other)) :]
        if how < 99:
            return data[:at] + chance.randbytes(to - at) + data[to:]
        deep = chance.choice((b"[", b'{"a":', b"\x91", b"\x81\xa1a"))
        return deep * chance.randrange(200, 10_000) + data


def chat(chance: random.Random) -> Any:
    """Frames of a page in a chat room."""
    said = {
        "id": f"{chance.getrandbits(chance.choice((8, 64))):x}",
        "user": chance.choice(("Ada", "Zoë", "Bob \N{DOLPHIN}", "李")),
        "body": chance.choice(("hello", "ümlaut", "x" * 200, "\N{DOLPHIN}")),
        "role": "user",
    }
    return {"type": "message", "message": said}


def presence(chance: random.Random) -> Any:
    """Frames of a page about its cursor."""
    kind = chance.choice(("mouse", "touch"))
    where = {"x": chance.random(), "y": chance.random(), "pointer": kind}
    now = {"cursor": chance.choice((where, None)), "message": None}
    if chance.random() < 0.7:
        return {"type": "update", "presence": now}
    return {"type": "join", "presence": now, "info": {"name": "Ada"}}


def usage(chance: random.Random) -> Any:
    """Bodies that nobody outside may post to the usage party."""
    other = chance.choice((chat, presence))(chance)
    return chance.choice(({"usage": chance.randrange(10**6)}, other))
