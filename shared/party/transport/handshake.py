"""Handshakes are read once; uvicorn reads them as HTTP, and then again."""

import re

from websockets.datastructures import Headers
from websockets.http11 import Request

from ..limits import MAX_HEADERS
from .http_protocol import PartyHTTP

LONGEST = 4_096
"""Bytes of a handshake that is read here."""

SIMPLE = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
"""A request without a body, nor anything that is not plain ASCII."""

BODIES = {"content-length", "transfer-encoding"}


def read(data: bytes) -> Request | None:
    """A handshake that is complete, and has nothing unusual about it."""
    found = SIMPLE.fullmatch(data) if len(data) <= LONGEST else None
    if not found:
        return None
    path, lines = (part.decode() for part in found.groups())
    headers = {}
    for line in (listed := lines.splitlines()):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    tokens = headers.get("connection", "").lower().split(",")
    if (
        len(headers) < len(listed)
        or len(listed) > MAX_HEADERS
        or "host" not in headers
        or BODIES & headers.keys()
        or headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in map(str.strip, tokens)
    ):
        return None
    return Request(path, Headers(headers))


class FastHTTP(PartyHTTP):
    """HTTP; what begins with a simple handshake is none."""

    begun = False

    def receive(self, data: bytes) -> None:
        """Read what comes."""
        request = None if self.begun else read(data)
        self.begun = True
        if request:
            self.upgrade(request)
        else:
            super().receive(data)
