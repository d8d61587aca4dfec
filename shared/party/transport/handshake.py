"""Parse simple WebSocket handshakes directly, without the HTTP parser.

uvicorn parses a handshake as HTTP, formats it again, and parses it again.
"""

import re

from websockets.datastructures import Headers
from websockets.http11 import Request

from ..limits import MAX_HEADERS
from .http_protocol import BoundedHTTP

MAX_HANDSHAKE_BYTES = 4_096
"""Size of a handshake that is parsed here."""

SIMPLE_REQUEST = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
"""A request without a body, nor anything that is not plain ASCII."""

BODY_HEADERS = {"content-length", "transfer-encoding"}


def parse_handshake(data: bytes) -> Request | None:
    """Parse a complete handshake; return None for an unusual one."""
    match = (
        SIMPLE_REQUEST.fullmatch(data)
        if len(data) <= MAX_HANDSHAKE_BYTES
        else None
    )
    if not match:
        return None
    path, head = (part.decode() for part in match.groups())
    headers = {}
    for line in (lines := head.splitlines()):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    tokens = headers.get("connection", "").lower().split(",")
    if (
        len(headers) < len(lines)
        or len(lines) > MAX_HEADERS
        or "host" not in headers
        or BODY_HEADERS & headers.keys()
        or headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in map(str.strip, tokens)
    ):
        return None
    return Request(path, Headers(headers))


class FastHandshakeHTTP(BoundedHTTP):
    """HTTP, whose first request may be a simple handshake."""

    is_first = True

    def receive(self, data: bytes) -> None:
        """Parse a simple handshake here, and all else as HTTP."""
        request = parse_handshake(data) if self.is_first else None
        self.is_first = False
        if request:
            self.switch_to_websocket(request)
        else:
            super().receive(data)
