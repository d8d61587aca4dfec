"""Real servers for tests: a process of their own, on a port of their own."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from . import fork_server
from .fork_server import ForkedProcess

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("PATIENCE", "10"))
"""Seconds that a test waits for what does not come."""

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

NEWEST = max(int(each.name[-2:]) for each in ROOT.glob("demo_0?"))
"""The stage that has the fast transport here; the others run without it.

So what a stage passes on to the next is tested both ways.
`make test FAST_TRANSPORT=0` has all of them run without, 1 with it.
"""

opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Stage:
    """A folder to test, and which stage's behaviours it is to show."""

    level: int
    folder: Path

    def __str__(self) -> str:
        return self.folder.name


@dataclass
class Answer:
    """An HTTP response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    text: str
    sent: int = 0
    """Bytes, compressed if that was asked for."""

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """A client of a server: HTTP requests and WebSockets."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path, **headers)

    def page(self, room: str, before: int) -> dict[str, Any]:
        """Fetch a page of the messages before a sequence number."""
        answer = self.get(f"/parties/chatroom/{room}?before={before}")
        assert answer.status == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> Answer:
        """Send an HTTP request; `body` goes as JSON; header names by `_`."""
        data = None if body is None else json.dumps(body).encode()
        names = {name.replace("_", "-"): each for name, each in headers.items()}
        request = Request(self.url + path, data, names, method=method)
        try:
            response = opener.open(request, timeout=PATIENCE)
        except HTTPError as error:
            response = error
        with response:
            named = {k.lower(): v for k, v in response.headers.items()}
            sent = response.read()
            packed = named.get("content-encoding") == "gzip"
            text = (gzip.decompress(sent) if packed else sent).decode()
            return Answer(response.status, named, text, len(sent))

    @contextmanager
    def join(
        self, room: str = "hello-world", party: str = "chatroom", **options: Any
    ) -> Iterator["WebSocketClient"]:
        """Be in a room, over a socket. `pk` is the connection's id."""
        pk = options.pop("pk", None)
        query = f"?_pk={pk}" if pk else ""
        uri = f"ws://127.0.0.1:{self.port}/parties/{party}/{room}{query}"
        options.setdefault("proxy", None)
        # Behind a full queue, the end of the closing handshake is not read.
        options.setdefault("max_queue", None)
        try:
            socket = connect(uri, open_timeout=PATIENCE, **options)
        except InvalidStatus as refusal:
            refusal.add_note(f"/parties/{party}/{room}")
            raise
        with socket:
            yield WebSocketClient(socket)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A bare socket, with room for little that is not read."""
        with socket.socket() as bare:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            bare.settimeout(PATIENCE)
            bare.connect(("127.0.0.1", self.port))
            yield bare

    def raw(self, request: bytes) -> bytes:
        """Send bytes: the first of what comes back."""
        with self.connected() as bare:
            bare.sendall(request)
            return bare.recv(65_536)

    @contextmanager
    def stalled(self, path: str) -> Iterator[socket.socket]:
        """A socket in a room, which reads nothing after the handshake."""
        with self.connected() as reader:
            reader.sendall(HANDSHAKE % path.encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += reader.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 ")
            yield reader


class ServerProcess(Client):
    """A stage in a process of its own, and what it printed."""

    def __init__(self, stage: Stage, settings: dict[str, str]) -> None:
        self.stage = stage
        self.port = int(settings.get("PORT", 0)) or free_port()
        self.settings = settings
        self.tracebacks_are_fine = False
        self.output = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it answers."""
        newest = str(int(self.stage.level == NEWEST))
        parent = self.stage.folder.parent
        env = environment(
            {
                "PYTHONPATH": os.pathsep.join([str(parent), str(ROOT)]),
                "FAST_TRANSPORT": os.environ.get("FAST_TRANSPORT", newest),
                **self.settings,
                "PORT": str(self.port),
            }
        )
        self.process = self._run(self.stage.folder.name, parent, env)
        assert self.process.stdout
        line = self.process.stdout.readline()
        if "runs at" not in line:
            self.stop()
            raise AssertionError(f"It did not start.\n{line}{self.errors()}")

    def _run(
        self, module: str, parent: Path, env: dict[str, str]
    ) -> "subprocess.Popen[str] | ForkedProcess":
        """Fork the process, or start it afresh where that is another thing."""
        fork_server.prepare(str(ROOT), environment({}))
        is_shared = parent == ROOT or not (parent / "shared").exists()
        if is_shared and env["RELOAD"] == "0" and fork_server.can_fork(env):
            return ForkedProcess(module, str(parent), env, self.output)
        return subprocess.Popen(
            [sys.executable, "-m", "shared.serve", module],
            cwd=parent,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.output,
            encoding="utf-8",
            errors="replace",
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(max(PATIENCE, 10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout:
                self.process.stdout.close()

    def kill(self) -> None:
        """End the process as a crash would: without a word to anybody."""
        self.stop(signal.SIGKILL)

    def errors(self) -> str:
        """Return its error output."""
        return Path(self.output.name).read_text("utf-8")

    def forget(self) -> None:
        """Remove what it wrote."""
        self.output.close()
        os.unlink(self.output.name)

    def expect_traceback(self) -> None:
        """Say that a traceback in the log is what the test is about."""
        self.tracebacks_are_fine = True


class WebSocketClient:
    """A WebSocket in a room, with frames as JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, frame: Any) -> None:
        """Send a frame: text and bytes as they are, else as JSON."""
        raw = isinstance(frame, str | bytes)
        self.socket.send(frame if raw else json.dumps(frame))

    def say(
        self, body: str, user: str = "Ada", id: str | None = None
    ) -> dict[str, Any]:
        """Send a message; returns it."""
        message = {
            "id": id or os.urandom(8).hex(),
            "user": user,
            "body": body,
            "role": "user",
        }
        self.send({"type": "message", "message": message})
        return message

    def next(self, timeout: float = PATIENCE) -> Any:
        """The next frame."""
        try:
            return json.loads(self.socket.recv(timeout=timeout))
        except TimeoutError:
            raise TimeoutError(
                f"expected a frame within {timeout:g} s; came: nothing"
            ) from None

    def wait_for(self, type: str, **values: Any) -> Any:
        """The next frame of that type with those values; skips others."""
        return self.until(
            f"{type}{listed(values)}",
            lambda frame: (
                frame["type"] == type and values.items() <= frame.items()
            ),
        )

    def until(self, awaited: str, found: Callable[[Any], bool]) -> Any:
        """The next frame that is what is awaited; skips others."""
        came: list[str] = []
        while True:
            try:
                frame = self.next()
            except TimeoutError:
                told = ", ".join(came[-5:]) or "nothing"
                raise TimeoutError(
                    f"expected {awaited} within {PATIENCE:g} s; came: {told}"
                ) from None
            if found(frame):
                return frame
            came.append(in_short(frame))

    def closed(self) -> tuple[int, str]:
        """Wait until the server closes the socket: its code and reason."""
        with suppress(ConnectionClosed):
            while True:
                self.socket.recv(PATIENCE)
        return self.socket.close_code or 0, self.socket.close_reason or ""

    def hear(self, body: str) -> dict[str, Any]:
        """Wait for an update whose message has that body; returns it."""
        message: dict[str, Any] = self.until(
            f"an update with body {body!r}",
            lambda frame: frame.get("message", {}).get("body") == body,
        )["message"]
        return message


def in_short(frame: Any) -> str:
    """A frame in a few words: its type, and what is said in it."""
    if not isinstance(frame, dict):
        return repr(frame)[:80]
    message = frame.get("message")
    told = message if isinstance(message, dict) else {"message": message}
    values = {
        name: told[name]
        for name in ("role", "status", "body", "message")
        if told.get(name)
    }
    return str(frame.get("type", frame)) + listed(values)


def listed(values: dict[str, Any]) -> str:
    """Names and values, in brackets."""
    each = [f"{name} {value!r:.60}" for name, value in values.items()]
    return f" ({', '.join(each)})" if each else ""


started: list[ServerProcess] = []
"""The servers that run now."""


@contextmanager
def start(stage: Stage, **settings: str) -> Iterator[ServerProcess]:
    """Run a stage for as long as the block lasts."""
    running = ServerProcess(stage, settings)
    started.append(running)
    try:
        yield running
    finally:
        started.remove(running)
        running.stop()
        errors = running.errors()
        running.forget()
    if not running.tracebacks_are_fine:
        assert "Traceback" not in errors, errors


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment, without what a developer may have set."""
    mine = re.compile(
        "OPENAI|OLLAMA|AI|SHOULD_REPLY|PORT|HOST|LAN$|PUBLIC_URL|PRESENTER|STORE$"
        "|REPOSITORY_URL"
        "|FAST_TRANSPORT|COOKIE_SECRET|MAX_|DAILY_TOKEN_BUDGET|HISTORY_LIMIT"
        "|PING_INTERVAL|.*_proxy",
        re.I,
    )
    kept = {k: v for k, v in os.environ.items() if not mine.match(k)}
    defaults = {
        "AI": "none",
        "RELOAD": "0",
        "GRACEFUL_TIMEOUT": "1",
        "ENV_FILE": os.devnull,
        # A text that is read or written without a named encoding is an error,
        # but for the standard input that uvicorn gives to its child, and for
        # the import of regex.
        "PYTHONWARNDEFAULTENCODING": "1",
        "PYTHONWARNINGS": "error::EncodingWarning,"
        "ignore::EncodingWarning:uvicorn._subprocess,"
        "ignore::EncodingWarning:regex._main",
    }
    return {**kept, **defaults, **settings}


def skip_or_fail(why: str) -> NoReturn:
    """Skip a test here; fail it in CI, where nobody would notice."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
