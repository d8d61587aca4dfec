"""The error log: one plain line for each event, and few of one kind."""

import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.web.log_redaction import BURST_RECORDS

from ..support.server_process import (
    ROOT,
    ServerProcess,
    Stage,
    start,
)
from ..support.stubs import serve

CHAT = Stage(3, ROOT / "demo_03")
KEY = "the-presenters-key"

HOST = b"Host: 127.0.0.1\r\n"
POST = b"POST /presenter HTTP/1.1\r\n" + HOST
POST += b"Authorization: Bearer " + KEY.encode() + b"\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def running() -> Iterator[ServerProcess]:
    with start(CHAT, FAST_TRANSPORT="1", PRESENTER_KEY=KEY) as found:
        yield found


def send(running: ServerProcess, *parts: bytes) -> bytes:
    """Send each part once the server has read the one before it."""
    with running.connected() as bare:
        for part in parts:
            bare.sendall(part)
            running.get("/healthz")
        return bare.recv(100)


@pytest.mark.parametrize(
    "parts",
    [
        [CHUNKED, b"5\r\nhello\r\n", b"no chunk\r\n"],
        [CHUNKED, b"5\r\nhello no chunk\r\n"],
        [CHUNKED, b"F" * 40 + b"\r\n"],
        [CHUNKED, b"0\r\nno \x1b[31m header\r\n\r\n"],
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
        [b"GET /\x1b[31m HTTP/1.1\r\n" + HOST + b"\r\n"],
        [b"GET /shared/ui/%00.js HTTP/1.1\r\n" + HOST + b"\r\n"],
        [b"GET /lib/0123456789ab/%00 HTTP/1.1\r\n" + HOST + b"\r\n"],
    ],
)
def test_log_has_at_most_one_line_for_a_bad_request(
    running: ServerProcess, parts: list[bytes]
) -> None:
    logged = running.errors()
    assert re.match(rb"HTTP/1\.1 4\d\d ", send(running, *parts))
    line = running.errors().removeprefix(logged)
    assert line.count("\n") <= 1
    assert line.removesuffix("\n").isprintable()


def test_log_has_no_error_for_a_client_that_leaves(
    running: ServerProcess,
) -> None:
    logged = running.errors()
    with running.connected() as bare:
        bare.sendall(CHUNKED + b"5\r\nhello\r\n")
        running.get("/healthz")
    assert send(running, POST + b"Content-Length: 0\r\n\r\n")
    assert running.errors() == logged


def test_log_has_few_lines_for_many_bad_requests(
    running: ServerProcess,
) -> None:
    logged = running.errors()
    for _ in range(BURST_RECORDS * 3):
        assert send(running, b"no request\r\n\r\n").startswith(b"HTTP/1.1 400")
    lines = running.errors().removeprefix(logged).splitlines()
    assert len(lines) < BURST_RECORDS * 2


def test_log_has_one_line_for_an_error_of_a_service() -> None:
    """It could set the terminal's title, or pretend to be other lines."""
    said = "\x1b[31mred\x1b]0;title\x07\r\nERROR party: made up\u202e\x9b2J"

    async def complain(request: Request) -> Response:
        return JSONResponse({"error": {"message": said}}, 400)

    app = Starlette(routes=[Route("/{path:path}", complain, methods=["POST"])])
    with serve(app) as port:
        url = f"http://127.0.0.1:{port}/v1"
        with start(CHAT, AI="openai", OPENAI_BASE_URL=url) as running:
            with running.join() as ada:
                ada.say("Why?")
                ada.until(
                    "a reply that failed",
                    lambda frame: (
                        frame.get("message", {}).get("status") == "failed"
                    ),
                )
            (line,) = running.errors().splitlines()
    assert line.isprintable()
    assert r"\x1b[31mred" in line
