"""Check the stream of a room: parsed once, and compared for each client."""

import json
import zlib
from typing import Any

from tests.support.ws_frames import RSV1, TEXT, parse_frame

FLUSH_TRAILER = b"\0\0\xff\xff"
"""The end of flushed deflate data, which is not transmitted."""


class DeliveryError(Exception):
    """A server lost, repeated or reordered a message."""


class StreamChecker:
    """The bytes that every client of a room should receive.

    Those of the client that is ahead are parsed: a history, and then message
    1, 2, 3, … Every other client has to receive the same bytes, which is a
    cheap comparison. So each loss, repetition and wrong order is found.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends: list[int] = []
        self._parsed = 0
        self._inflater = zlib.decompressobj(-15)

    def feed(self, position: int, data: bytes) -> int:
        """Check a client's data at its position; return its next position."""
        end = position + len(data)
        if not self.data.startswith(data, position):
            known = len(self.data) - position
            if known >= len(data) or not self.data.startswith(
                data[:known], position
            ):
                count = sum(end <= position for end in self.ends) - 1
                raise DeliveryError(f"after {count} messages, a wrong one came")
            self.data += data[known:]
            self._parse()
        return end

    def _parse(self) -> None:
        while True:
            first, payload, end = parse_frame(self.data, self._parsed)
            if not end:
                return
            if first & RSV1:
                payload = self._inflater.decompress(payload + FLUSH_TRAILER)
            self._check(first & 15, payload)
            self._parsed = end
            self.ends.append(end)

    def _check(self, opcode: int, payload: bytes) -> None:
        expected = str(len(self.ends)) if self.ends else "history"
        found = frame_id(payload) if opcode == TEXT else repr(payload)
        if found != expected:
            raise DeliveryError(f"{found} came instead of {expected}")


def frame_id(payload: bytes) -> str:
    """Return the id of the message in a frame, or `history`."""
    data: Any = json.loads(payload.lstrip(b"0123456789"))
    name, data = data if isinstance(data, list) else (data["type"], data)
    if name != "update":
        return str(name)
    return str(data.get("message", data)["id"])
