"""Nothing of the environment leaves the server, however it is provoked."""

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.settings import Settings
from shared.web import log_redaction

from ..support.server_process import (
    HANDSHAKE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.stubs import Fault, OpenAIStub
from .test_serve import fails_to_start

SECRETS = {
    "OPENAI_API_KEY": "sk-canary-6f1d0a",
    "PRESENTER_KEY": "canary-7be2-presenter",
    "COOKIE_SECRET": "canary-a90c-cookies",
    "ALLOWED_HOSTS": "canary-51e0.example",
    "ALLOWED_ORIGINS": "https://canary-77aa.example",
    "COUNTRY_HEADER": "X-Canary-93be",
    "SOMETHING_ELSE": "canary-0b1f-variable",
    "AWS_SECRET_ACCESS_KEY": "canary/c41f+key",
}
CANARIES = [
    "canary-6f1d0a",
    "canary-7be2",
    "canary-a90c",
    "canary-51e0",
    "canary-77aa",
    "Canary-93be",
    "canary-0b1f",
    "canary/c41f",
    "canary%2Fc41f",
]
FAULTS: list[Fault] = ["401", "404", "400", "cut", "garbage", "error", "html"]

HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = HANDSHAKE[:-2]
REQUESTS = [
    b"GET / HTTP/1.1\r\n" + HOST,
    b"GET /presenter HTTP/1.1\r\n" + HOST,
    b"GET /presenter/state HTTP/1.1\r\nAuthorization: Bearer x\r\n" + HOST,
    b"GET /usage?x=${OPENAI_API_KEY}{{config}} HTTP/1.1\r\n" + HOST,
    b"GET /whats-new HTTP/1.1\r\n" + HOST,
    b"GET /nowhere/%24%7BPRESENTER_KEY%7D HTTP/1.1\r\n" + HOST,
    b"GET /shared/ui/..%2f..%2f.env HTTP/1.1\r\n" + HOST,
    b"GET /lib/preact/..%2f..%2f..%2f..%2fproc/1/environ HTTP/1.1\r\n" + HOST,
    b"GET //proc/self/environ HTTP/1.1\r\n" + HOST,
    b"GET /chats HTTP/1.1\r\nHost: evil.example\r\n",
    b"GET /chats HTTP/1.0\r\n",
    b"TRACE / HTTP/1.1\r\n" + HOST,
    b"OPTIONS * HTTP/1.1\r\n" + HOST,
    b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n" + HOST,
    b"POST /parties/usage/total HTTP/1.1\r\n" + HOST,
    b"POST /presenter HTTP/1.1\r\nOrigin: https://evil.example\r\n" + HOST,
    b"POST /presenter HTTP/1.1\r\nContent-Length: x\r\n" + HOST,
    b"NONSENSE\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    UPGRADE % b"/nowhere",
    UPGRADE % b"/parties/x/y",
    UPGRADE % b"/parties/chatroom/nowhere",
    UPGRADE % b"/parties/chatroom/hello-world?_pk=__proto__",
    UPGRADE % b"/parties/usage/%ff",
    b"GET /parties/usage/total HTTP/1.1\r\nUpgrade: websocket\r\n" + HOST,
]
FRAMES: list[str | bytes] = [
    "",
    "{",
    "null",
    "{{config}} ${OPENAI_API_KEY} %(OPENAI_API_KEY)s {0.__globals__}",
    '{"type":"message"}',
    '{"type":"environ"}',
    json.dumps({"type": "message", "message": {"id": 7, "body": ["x"]}}),
    "x" * 70_000,
    b"",
    b"\xc1\xff",
    msgpack.packb({"type": "join"}),
    msgpack.packb({"type": "update", "presence": {"cursor": {"x": 9}}}),
]


class Telltale(OpenAIStub):
    """Repeats the key that it was given, as some do."""

    async def failure(
        self, request: Request, fault: Fault | None
    ) -> Response | None:
        if fault not in ("401", "400"):
            return await super().failure(request, fault)
        given = request.headers["authorization"]
        said = f"You sent {given} to {request.url}."
        return JSONResponse({"error": {"message": said}}, int(fault))


@pytest.fixture
def model() -> Iterator[Telltale]:
    with Telltale() as stub:
        yield stub


def answer(running: ServerProcess, request: bytes) -> str:
    """Send a request: the whole response, or whatever comes back."""
    with running.connected() as bare:
        bare.sendall(request)
        return b"".join(iter(lambda: bare.recv(65_536), b"")).decode("latin-1")


def hear(guest: WebSocketClient) -> Iterator[str]:
    """All that comes before long silence, or the end."""
    with suppress(TimeoutError, ConnectionClosed):
        while True:
            yield str(guest.socket.recv(0.5))


def provoke(running: ServerProcess, model: Telltale) -> Iterator[str]:
    """Do what makes a server talk: all that it says."""
    for request in REQUESTS:
        end = b"" if b"Connection:" in request else b"Connection: close\r\n"
        yield answer(running, request + end + b"\r\n")
    for party, room in (
        ("chatroom", "room-4"),
        ("presence", "room-4"),
        ("usage", "total"),
    ):
        with running.join(room, party) as guest:
            for frame in FRAMES:
                guest.send(frame)
            yield from hear(guest)
    with pytest.raises(InvalidStatus) as refused, running.join("x", "usage"):
        pass
    yield str(refused.value.response)
    with running.join() as ada:
        for fault in FAULTS:
            model.fault = fault
            ada.say(f"what is your key? {fault}")
            while (frame := ada.next())["type"] != "update" or frame["message"][
                "status"
            ] != "failed":
                yield str(frame)
            yield str(frame)


@pytest.mark.stages(5)
def test_server_discloses_nothing_of_its_environment(
    stage: Stage, model: Telltale
) -> None:
    """Neither in a response, nor in a frame, nor in a line of the log."""
    settings = {**SECRETS, "AI": "openai", "OPENAI_BASE_URL": model.base_url}
    with start(stage, **settings) as running:
        told = list(provoke(running, model))
        running.process.send_signal(signal.SIGTERM)
        assert running.process.stdout
        told += [running.process.stdout.read(), running.errors()]
    assert "You sent Bearer … to" in told[-1]
    everything = "\n".join(told)
    assert len(everything) > 20_000
    for canary in CANARIES:
        at = everything.find(canary)
        assert at < 0, everything[max(0, at - 200) : at + 50]


def test_serve_discloses_no_secret_beside_a_wrong_setting() -> None:
    said = fails_to_start("demo_05", PORT="none", **SECRETS)
    assert "  PORT=none: " in said
    assert not any(canary in said for canary in CANARIES)


def test_redacting_formatter_keeps_short_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def logged(**keys: Any) -> str:
        choice = Settings(_env_file=None, **keys)
        monkeypatch.setattr(log_redaction, "settings", lambda: choice)
        record = logging.LogRecord(
            "ai", logging.ERROR, "", 0, "no %s is a key at all", ("none",), None
        )
        return log_redaction.redacting_handler().format(record)

    assert logged(openai_api_key="none") == "ERROR ai: no none is a key at all"
    assert logged(presenter_key="none is a key at all") == "ERROR ai: no …"
