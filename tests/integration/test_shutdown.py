"""Shutdown: in order, within bounds, and pages reconnect on their own."""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.party import Connection, Frame, Server

from ..support.party_server import Echo, TestServer, serve_parties
from ..support.presenting import copy_stages
from ..support.server_process import (
    PATIENCE,
    Answer,
    ServerProcess,
    Stage,
    start,
)
from ..support.stubs import OpenAIStub


@contextmanager
def ending(server: TestServer, grace: float) -> Iterator[None]:
    """Shut the parties down while the block runs."""
    shutdown = server.parties.shutdown(grace)
    done = asyncio.run_coroutine_threadsafe(shutdown, server.loop)
    yield
    done.result(PATIENCE)


RESTARTING = (1012, "The server restarts. Come back in a moment.")


def test_shutdown_finishes_replies_and_refuses_newcomers() -> None:
    finish = asyncio.Event()

    class Chat(Echo):
        async def on_connect(self, *_: Any) -> None:
            pass

        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"asked": message})
            await finish.wait()
            self.room.broadcast({"answered": message})

    with (
        serve_parties(chat=Chat) as server,
        server.join("1", "chat") as ada,
        server.join("2", "chat") as bob,
    ):
        ada.send("why?")
        assert ada.next() == {"asked": "why?"}
        with ending(server, grace=PATIENCE):
            assert server.refused("1", "chat") == 503
            assert server.get("/parties/chat/3").status == 503
            server.call(finish.set)
            assert ada.next() == {"answered": "why?"}
            assert ada.closed() == bob.closed() == RESTARTING


def test_shutdown_cancels_late_hooks_and_those_that_it_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed = threading.Event()

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            sender.send({"asked": message})
            try:
                await asyncio.Event().wait()
            finally:
                self.room.broadcast({"interrupted": message})
                if message == "clumsy":
                    raise RuntimeError("while it was cancelled")

        async def on_close(self, connection: Connection) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                closed.set()

    with serve_parties(chat=Chat) as server, server.join("1", "chat") as ada:
        for message in ("clumsy", "tidy"):
            ada.send(message)
            assert ada.next() == {"asked": message}
        with ending(server, grace=0):
            heard = [ada.next(), ada.next()]
            assert {"interrupted": "tidy"} in heard
            assert {"interrupted": "clumsy"} in heard
            assert ada.closed() == RESTARTING
        server.run_in_loop(server.parties.shutdown(grace=PATIENCE))
        assert closed.is_set()
    assert "chat/1: a hook failed, the room goes on" in caplog.messages


def test_shutdown_sends_held_back_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.party.room.MAX_KEYED_FRAMES_PER_SECOND", 0.01)

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            for text in ("a", "ab", "abc"):
                self.room.broadcast({"reply": text}, key="reply")

    with serve_parties(chat=Chat) as server, server.join("1", "chat") as ada:
        ada.send("spell")
        assert ada.next() == {"reply": "a"}
        with ending(server, grace=PATIENCE):
            assert ada.next() == {"reply": "abc"}
            assert ada.closed() == RESTARTING


def test_shutdown_answers_a_request_in_progress() -> None:
    begun = threading.Event()

    class Slow(Server):
        async def on_request(self, request: Request) -> Response:
            begun.set()
            await asyncio.Event().wait()
            return Response()

    with serve_parties(slow=Slow) as server, ThreadPoolExecutor(1) as thread:
        asking = thread.submit(server.get, "/parties/slow/1")
        assert begun.wait(PATIENCE)
        with ending(server, grace=0):
            assert asking.result(PATIENCE).status == 503


def test_shutdown_ends_hooks_that_start_meanwhile() -> None:
    asked = asyncio.Event()

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"asked": message})
            if message == "first":
                await asked.wait()
                return
            try:
                await asyncio.Event().wait()
            finally:
                self.room.broadcast({"interrupted": message})

    with serve_parties(chat=Chat) as server, server.join("1", "chat") as ada:
        ada.send("first")
        assert ada.next() == {"asked": "first"}
        with ending(server, grace=PATIENCE):
            assert server.refused("2", "chat") == 503
            ada.send("second")
            assert ada.next() == {"asked": "second"}
            server.call(asked.set)
            assert ada.next() == {"interrupted": "second"}
            assert ada.closed() == RESTARTING


# The process


def stop_asked(running: ServerProcess, how: Signals) -> None:
    """Signal the server, and wait until it refuses connections."""
    running.process.send_signal(how)
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            socket.create_connection(("127.0.0.1", running.port)).close()


def asking(stub: OpenAIStub) -> dict[str, str]:
    """Return settings with which this stub replies."""
    return {
        "AI": "openai",
        "OPENAI_API_KEY": "stub",
        "OPENAI_BASE_URL": stub.base_url,
    }


@pytest.mark.stages(5)
@pytest.mark.parametrize(
    ("first", "then"),
    [(SIGINT, SIGINT), (SIGTERM, SIGINT)],
    ids=["Ctrl+C twice", "Ctrl+C in the end"],
)
def test_second_signal_exits_at_once(
    serve: Callable[..., ServerProcess], first: Signals, then: Signals
) -> None:
    with OpenAIStub() as stub:
        stub.fault = "hang"
        running = serve(**asking(stub), GRACEFUL_TIMEOUT="600")
        with running.join() as ada:
            ada.say("hello")
            stub.next_request()
            stop_asked(running, first)
            running.process.send_signal(then)
            assert running.process.wait(PATIENCE) == 128 + then
        assert running.errors() == ""


@pytest.mark.stages(5)
def test_ctrl_c_passed_on_by_a_reloader_counts_once(
    serve: Callable[..., ServerProcess],
) -> None:
    with OpenAIStub() as stub:
        stub.held = True
        running = serve(**asking(stub), GRACEFUL_TIMEOUT="600")
        with running.join() as ada:
            ada.say("hello")
            exchange = stub.next_request()
            stop_asked(running, SIGINT)
            running.process.send_signal(SIGTERM)
            exchange.release()
            ada.hear("You said: hello")
            assert ada.closed() == RESTARTING
        assert running.process.wait(PATIENCE) == 0


@pytest.mark.stages(5)
@pytest.mark.parametrize("reload", ["0", "1"])
def test_hangup_shuts_down_in_order(
    serve: Callable[..., ServerProcess], reload: str
) -> None:
    """The system signals all processes, and a shell may do so again."""
    with OpenAIStub() as stub:
        stub.held = True
        running = serve(**asking(stub), GRACEFUL_TIMEOUT="600", RELOAD=reload)
        pid = running.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
        with running.join() as ada:
            ada.say("hello")
            exchange = stub.next_request()
            for _ in range(2):
                for each in (pid, *map(int, children.split())):
                    os.kill(each, SIGHUP)
            exchange.release()
            ada.hear("You said: hello")
            assert ada.closed() == RESTARTING
        assert running.process.wait(PATIENCE) == 0


DEAF = """
while True:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        pass
"""
BUSY = "time.sleep(60)"
THREAD = "await asyncio.to_thread(time.sleep, 60)"


@pytest.mark.parametrize(
    "hook", [DEAF, BUSY, THREAD], ids=["deaf", "busy", "in a thread"]
)
def test_shutdown_does_not_wait_for_a_stubborn_hook(
    tmp_path: Path, hook: str
) -> None:
    folder = tmp_path / "stubborn"
    folder.mkdir()
    body = "".join(f"    {line}\n" for line in hook.splitlines())
    (folder / "__init__.py").touch()
    (folder / "app.py").write_text(
        "import asyncio, time\n"
        "from demo_02.app import app\n"
        "from demo_02.party.chat_room import ChatRoom\n"
        "async def on_message(self, frame, sender):\n"
        "    print('begun', flush=True)\n"
        f"{body}"
        "ChatRoom.on_message = on_message\n",
        "utf-8",
    )
    with (
        start(Stage(2, folder), GRACEFUL_TIMEOUT="0") as running,
        running.join() as ada,
    ):
        ada.send("begin")
        assert running.process.stdout
        assert "begun\n" in running.process.stdout
        assert running.stop() == 0


PARTIES = "chatroom/hello-world", "presence/hello-world", "usage/total"

IN_THE_MIDDLE = [
    b"GET /chats HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    b"GET /parties/chatroom/hello-world HTTP/1.1\r\nUpgrade: websoc",
    b"POST /parties/usage/total HTTP/1.1\r\nHost: localhost\r\n"
    b'Content-Length: 1000\r\n\r\n{"us',
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
]
"""An idle connection, incomplete requests, and an unread response."""


@pytest.mark.stages(5)
@pytest.mark.parametrize("fault", [None, "hang"], ids=["idle", "a reply hangs"])
def test_shutdown_with_many_connections_ends_soon(
    serve: Callable[..., ServerProcess], fault: Any
) -> None:
    """Some of them read nothing, others are in the middle of a request."""
    with OpenAIStub() as stub, ExitStack() as stack:
        stub.fault = fault
        running = serve(**asking(stub), MAX_MESSAGES_PER_SECOND="1000")
        guests = [
            stack.enter_context(running.join(room, party))
            for party, room in (each.split("/") for each in PARTIES * 15)
        ]
        for _ in range(3):
            stack.enter_context(running.stalled(f"/parties/{PARTIES[0]}"))
        for request in IN_THE_MIDDLE:
            stack.enter_context(running.connected()).sendall(request)
        for _ in range(80):
            guests[0].say("x" * 4_000)
        last = guests[0].say("the last one")
        for reader in guests[3 :: len(PARTIES)]:
            reader.hear(last["body"])
        begun = time.monotonic()
        running.process.send_signal(SIGTERM)
        closed = [guest.closed() for guest in guests]
        assert closed == [RESTARTING] * len(guests)
        assert running.process.wait(PATIENCE) == 0
        # It takes two seconds where nothing else runs.
        assert time.monotonic() - begun < 8
        assert running.errors() == ""


def workers(running: ServerProcess) -> list[int]:
    """Return the server processes of a supervisor."""
    told = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="],
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout
    rows = [line.split(None, 2) for line in told.splitlines()]
    own = str(running.process.pid)
    return [
        int(pid)
        for pid, parent, command in rows
        if parent == own and "spawn_main" in command
    ]


@pytest.mark.stages(5)
def test_killed_server_is_restarted_unless_its_supervisor_is_killed(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    running = serve(RELOAD="1", STORE=f"sqlite:{tmp_path / 'party.db'}")
    with running.join() as ada:
        id = ada.say("hello")["id"]
        ada.wait_for("ack", id=id)
    (worker,) = workers(running)
    os.kill(worker, SIGKILL)
    with running.join() as ada:
        (kept,) = ada.wait_for("history")["messages"]
        assert kept["id"] == id
    (worker,) = workers(running)
    running.kill()
    deadline = time.monotonic() + PATIENCE
    try:
        with suppress(ConnectionRefusedError, ConnectionResetError):
            while time.monotonic() < deadline:
                socket.create_connection(("127.0.0.1", running.port)).close()
            raise AssertionError("it serves on")
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, SIGKILL)


def waits(ask: Callable[[], Future[Answer]]) -> Future[Answer]:
    """Request until a response is late; return the pending request."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = ask()
        try:
            assert answer.result(2).status == 200
        except TimeoutError:
            return answer
    raise AssertionError("it answers all the time")


@pytest.mark.soak
def test_next_server_waits_for_the_previous_one(
    tmp_path: Path,
) -> None:
    """Otherwise a page that reconnects could reach the old one."""
    stage = Stage(5, copy_stages(tmp_path) / "demo_05")
    with OpenAIStub() as stub, ThreadPoolExecutor(1) as thread:
        stub.held = True
        with start(
            stage, **asking(stub), RELOAD="1", GRACEFUL_TIMEOUT="600"
        ) as running:
            with running.join() as ada:
                ada.say("hello")
                exchange = stub.next_request()
                (stage.folder / "app.py").touch()
                next_one = waits(lambda: thread.submit(running.get, "/chats"))
                exchange.release()
                ada.hear("You said: hello")
                assert ada.closed() == RESTARTING
            assert next_one.result(PATIENCE).status == 200
