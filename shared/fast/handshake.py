"""A handshake that uvicorn has parsed, and writes down for its successor."""

from websockets.datastructures import Headers
from websockets.http11 import Request

LONGEST, MOST_LINES = 4_096, 64
"""What is longer may have to be refused."""

BODIES = b"\r\ncontent-length:", b"\r\ntransfer-encoding:"
"""With what a handshake has to be refused."""


def read_again(data: bytes) -> Request | None:
    """The request, unless it is one that has to be parsed in earnest."""
    lines = data.decode("latin-1").split("\r\n")
    method, path, *_ = f"{lines[0]}  ".split(" ")
    if (
        method != "GET"
        or lines[-2:] != ["", ""]
        or len(data) > LONGEST
        or len(lines) > MOST_LINES
        or any(each in data for each in BODIES)
    ):
        return None
    named = [line.partition(": ")[::2] for line in lines[1:-2]]
    return Request(path, Headers(named))
