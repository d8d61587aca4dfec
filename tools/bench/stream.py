"""What a room is told: all of it read once, and compared for each reader."""

import json
import zlib
from typing import Any

from tests.support.ws_frames import RSV1, TEXT, parse_frame

TAIL = b"\0\0\xff\xff"
"""What a compressed frame leaves out at its end."""


class Wrong(Exception):
    """A server lost something, or told it twice, or out of order."""


class Stream:
    """The bytes that every reader of a room is to get.

    Whoever is ahead brings new ones. They are read in full: a history, and
    then message 1, 2, 3, … Everybody else has to get the very same bytes,
    which is seen at little cost. So nothing is lost or out of order for one
    of them that is not seen.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends: list[int] = []
        self._read = 0
        self._inflater = zlib.decompressobj(-15)

    def hear(self, at: int, data: bytes) -> int:
        """Take what a reader got at a place; returns its next place."""
        if not self.data.startswith(data, at):
            known = len(self.data) - at
            if known >= len(data) or not self.data.startswith(data[:known], at):
                heard = sum(end <= at for end in self.ends) - 1
                raise Wrong(f"after {heard} messages, a reader got another")
            self.data += data[known:]
            self._read_on()
        return at + len(data)

    def _read_on(self) -> None:
        while True:
            first, payload, end = parse_frame(self.data, self._read)
            if not end:
                return
            if first & RSV1:
                payload = self._inflater.decompress(payload + TAIL)
            self._check(first & 15, payload)
            self._read = end
            self.ends.append(end)

    def _check(self, kind: int, payload: bytes) -> None:
        due = str(len(self.ends)) if self.ends else "history"
        came = told(payload) if kind == TEXT else repr(payload)
        if came != due:
            raise Wrong(f"{came} came where {due} was due")


def told(payload: bytes) -> str:
    """The id of the message that a frame tells about, or `history`."""
    data: Any = json.loads(payload.lstrip(b"0123456789"))
    name, data = data if isinstance(data, list) else (data["type"], data)
    if name != "update":
        return str(name)
    return str(data.get("message", data)["id"])
