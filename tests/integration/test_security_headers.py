"""The security headers of every response."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from http.client import HTTPConnection, HTTPMessage

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from shared.web.security_headers import WebApp

from ..support.server_process import (
    PATIENCE,
    ROOT,
    ServerProcess,
    Stage,
    environment,
    start,
)

NOTHING = "default-src 'none'; frame-ancestors 'none'"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]
ROUTES = """
from {}.app import app
for route in app.routes:
    print(type(route).__name__, route.path)
"""
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FOREIGN = {"Origin": "https://evil.example"}
STYLE = "/shared/ui/style.css"
CHAT = "/parties/chatroom/hello-world"

OTHERS: list[tuple[int, str, str, dict[str, str]]] = [
    (307, "GET", "/chats/", {}),
    (404, "GET", "/chats/nowhere", {}),
    (404, "GET", "/shared/ui/", {}),
    (404, "GET", "/lib/preact/../../.env", {}),
    (405, "POST", STYLE, {}),
    (400, "GET", "/", {"Host": "evil.example"}),
    (400, "GET", STYLE, {"Host": "evil.example"}),
    (403, "POST", "/presenter", FOREIGN),
    (403, "GET", "/presenter/state", {"Authorization": "Bearer x"}),
    (413, "POST", "/presenter", {"Content-Length": "9999999"}),
    (400, "GET", "/parties/x/y", {**UPGRADE, "Host": "evil.example"}),
    (404, "GET", "/parties/x/y", UPGRADE),
]
PARTIES: list[tuple[int, str, str, dict[str, str]]] = [
    (404, "GET", "/parties/chatroom/nowhere", {}),
    (404, "GET", "/parties/chatroom", {}),
    (404, "GET", CHAT, {}),
    (403, "POST", CHAT, FOREIGN),
    (413, "POST", CHAT, {"Content-Length": "9999999"}),
    (403, "GET", CHAT, {**UPGRADE, **FOREIGN}),
    (404, "GET", "/parties/chatroom/nowhere", UPGRADE),
    (400, "GET", f"{CHAT}?_pk={'x' * 300}", UPGRADE),
    (
        409,
        "GET",
        f"{CHAT}?_pk=ada",
        {**UPGRADE, "Cookie": "party-chat-browser=x"},
    ),
]


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    with start(stage, PRESENTER_KEY="a-key-of-16-letters") as running:
        yield running


def ask(
    server: ServerProcess, method: str, path: str, headers: dict[str, str]
) -> tuple[int, HTTPMessage]:
    """Send a request just so: the status and the headers that come back."""
    line = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        line.request(method, path, headers=headers)
        response = line.getresponse()
        response.read()
        return response.status, response.headers
    finally:
        line.close()


def routes(stage: Stage) -> list[str]:
    """A path for each route of the app, and one for each file that it has."""
    told = subprocess.run(
        [sys.executable, "-c", ROUTES.format(stage.folder.name)],
        env=environment(
            {
                "PYTHONPATH": f"{stage.folder.parent}{os.pathsep}{ROOT}",
                "PRESENTER_KEY": "a-key-of-16-letters",
            }
        ),
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    found = [line.split() for line in told.splitlines()]
    assert len(found) > 8
    return [
        path.replace("{slug}", "room-4") + ("/x" if kind == "Mount" else "")
        for kind, path in found
    ]


def check(headers: HTTPMessage, of: object) -> None:
    """A response says all of it, each thing once, and nothing else of it."""
    page = headers.get_content_type() == "text/html"
    (policy,) = headers.get_all("Content-Security-Policy") or [""]
    if page:
        assert "frame-ancestors 'none'" in policy, of
        assert "script-src 'self' 'sha256-" in policy, of
    else:
        assert policy == NOTHING, of
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ):
        assert headers.get_all(name) == [value], of
    assert "Access-Control-Allow-Origin" not in headers, of


@pytest.mark.stages(1)
def test_security_headers_are_in_each_response_and_refusal(
    stage: Stage, server: ServerProcess
) -> None:
    for path in routes(stage):
        for method in METHODS:
            status, headers = ask(server, method, path, {})
            assert status < 500
            check(headers, (method, path))
    cases = OTHERS + PARTIES if stage.level > 1 else OTHERS
    with server.join(pk="ada") if stage.level > 1 else nullcontext():
        for expected, method, path, more in cases:
            status, headers = ask(server, method, path, more)
            assert status == expected, (method, path, more)
            check(headers, (method, path, more))


@pytest.mark.stages(1)
def test_security_headers_are_in_a_not_modified_response(
    server: ServerProcess,
) -> None:
    _, headers = ask(server, "GET", STYLE, {})
    check(headers, STYLE)
    tag = {"If-None-Match": headers["ETag"]}
    status, headers = ask(server, "GET", STYLE, tag)
    assert status == 304
    check(headers, tag)


def test_security_headers_are_in_a_server_error() -> None:
    async def broken(request: Request) -> Response:
        raise ZeroDivisionError("a secret")

    app = WebApp(routes=[Route("/", broken)])
    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["Content-Security-Policy"] == NOTHING
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
