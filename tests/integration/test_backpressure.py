"""Slow readers delay nobody, and a key coalesces frames."""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import BaseModel, model_serializer
from websockets.exceptions import ConnectionClosed

from shared.party import Connection, Frame, Server
from shared.party.limits import Limits
from shared.party.transport.bounded_protocol import BoundedProtocol
from shared.serve import SOCKET_SEND_BUFFER, bind_socket

from ..conftest import STAGES
from ..support.party_server import HIGH_LIMITS, serve_parties
from ..support.server_process import PATIENCE, ServerProcess, start
from ..support.ws_frames import read_all

# 0x88: the end; 0x35: 53 bytes follow; 0x03f5: 1013, try again later.
TOO_SLOW = (
    b"\x88\x35\x03\xf5You were reading too slowly. Come back in a moment."
)


class Radio(Server):
    """Broadcasts each message."""

    left = threading.Event()

    async def on_message(self, message: Frame, sender: Connection) -> None:
        self.room.broadcast(message)

    async def on_close(self, connection: Connection) -> None:
        if connection.id == "phone":
            self.left.set()


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the phone has left the room."""
    left = threading.Event()
    monkeypatch.setattr(Radio, "left", left)
    return left


def read_to_the_end(reader: socket.socket) -> bytes:
    """Read frames until the close frame of an eviction."""
    heard = b""
    while not heard.endswith(TOO_SLOW):
        some = reader.recv(65_536)
        assert some, "the other side ended without a word"
        heard += some
    return heard


def test_stalled_reader_is_evicted_and_delays_nobody(
    left: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", PATIENCE
    )
    with (
        serve_parties(bounds=HIGH_LIMITS, radio=Radio) as server,
        server.stalled("/parties/radio/1?_pk=phone") as phone,
        server.stalled("/parties/radio/1?_pk=tablet") as tablet,
        server.join("1", "radio", pk="ada") as ada,
        server.join("1", "radio", pk="bob") as bob,
    ):
        for number in range(60):
            ada.send({"number": number, "padding": "x" * 32_000})
            assert ada.next()["number"] == bob.next()["number"] == number
        assert left.wait(PATIENCE)
        for reader in (phone, tablet):
            assert len(read_to_the_end(reader)) < 60 * 32_000
        (line,) = caplog.messages  # of all evictions of a minute
        assert line == "radio/1 phone: evicted, it does not keep up"
        ada.send({"number": 60})
        assert ada.next() == bob.next() == {"number": 60}


def test_evicted_reader_is_aborted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", 0.05
    )
    lost = threading.Event()
    lose = BoundedProtocol.connection_lost

    def connection_lost(self: BoundedProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        lost.set()

    monkeypatch.setattr(BoundedProtocol, "connection_lost", connection_lost)
    with (
        serve_parties(bounds=HIGH_LIMITS, radio=Radio) as server,
        server.stalled("/parties/radio/1?_pk=phone"),
        server.join("1", "radio") as ada,
    ):
        for number in range(60):
            ada.send({"number": number, "padding": "x" * 32_000})
            assert ada.next()["number"] == number
        assert lost.wait(PATIENCE)
        ada.send({"number": 60})
        assert ada.next() == {"number": 60}


@pytest.mark.parametrize("frames", [1, 2])
def test_reader_that_stalls_within_a_frame_is_evicted(
    left: threading.Event, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    """Also if no frame follows: a newcomer in a quiet room."""
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 0.05)
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", PATIENCE
    )

    class Library(Radio):
        async def on_connect(self, connection: Connection, *_: Any) -> None:
            for _ in range(frames):
                connection.send("x" * 400_000)

    with (
        serve_parties(library=Library) as server,
        server.stalled("/parties/library/1?_pk=phone") as phone,
    ):
        assert left.wait(PATIENCE)
        assert read_to_the_end(phone)


def test_stalled_reader_does_not_delay_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 60)

    class Library(Radio):
        async def on_connect(self, connection: Connection, *_: Any) -> None:
            for _ in range(3):
                connection.send("x" * 150_000)

    with (
        serve_parties(library=Library) as server,
        server.join("1", "library") as ada,
        server.stalled("/parties/library/1?_pk=phone"),
    ):
        server.run_in_loop(server.parties.shutdown(grace=0))
        for _ in range(3):
            assert len(ada.socket.recv(PATIENCE)) == 150_000
        with pytest.raises(ConnectionClosed):
            ada.next()


def test_long_history_evicts_nobody() -> None:
    class Archive(Server):
        async def on_connect(self, connection: Connection, *_: Any) -> None:
            connection.send("x" * 2_000_000)
            self.room.broadcast("news")

    with (
        serve_parties(archive=Archive) as server,
        server.join("1", "archive", max_size=None) as ada,
    ):
        assert len(ada.socket.recv(PATIENCE)) == 2_000_000
        assert ada.socket.recv(PATIENCE) == "news"


@pytest.mark.parametrize(("fast", "most"), [("1", 20), ("0", 120)])
def test_history_for_stalled_newcomers_is_held_once(
    memory: Callable[[ServerProcess], int], fast: str, most: int
) -> None:
    """80 newcomers would hold 40 MiB, if each held half a megabyte.

    Without the fast transport, each write buffer holds it, twice.
    """
    settings = {"FAST_TRANSPORT": fast, "MAX_MESSAGES_PER_SECOND": "10000"}
    with (
        start(STAGES[-1], **settings) as running,
        running.join() as ada,
        ExitStack() as silent,
    ):
        for _ in range(40):  # more than a history holds
            ada.say("\N{BALLOON}" * 4_000)
            ada.wait_for("ack")
        before = memory(running)
        for _ in range(80):
            room = running.stalled("/parties/chatroom/hello-world")
            silent.enter_context(room)
        with running.join() as bob:
            bob.wait_for("history")
        assert memory(running) - before < most * 1024  # KiB


def test_backlog_evicts_the_slowest_when_it_is_full(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 60)
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", 60
    )
    left: list[str] = []
    codes: list[int] = []
    close_now = BoundedProtocol.close_now

    def counted(self: BoundedProtocol, code: int, reason: str) -> None:
        codes.append(code)
        close_now(self, code, reason)

    monkeypatch.setattr(BoundedProtocol, "close_now", counted)

    class Archive(Server):
        async def on_connect(self, connection: Connection, *_: Any) -> None:
            connection.send(f"{connection.id:x>600000}")

        async def on_close(self, connection: Connection) -> None:
            left.append(connection.id)

    bounds = Limits(max_queued_bytes=10_000_000)
    with (
        serve_parties(bounds=bounds, archive=Archive) as server,
        server.stalled("/parties/archive/1?_pk=slow") as slow,
        ExitStack() as silent,
    ):
        lines = []
        for number in range(16):
            path = f"/parties/archive/1?_pk={number}"
            lines.append(silent.enter_context(server.stalled(path)))
            taken = 0
            while taken < 30_000:
                taken += len(slow.recv(30_000 - taken))
            with server.join("1", "archive", pk="fast", max_size=None) as fast:
                fast.socket.recv(PATIENCE)
        assert server.parties.backlog.bytes <= bounds.max_queued_bytes
        gone = [id for id in left if id != "fast"]
        assert gone == [str(number) for number in range(len(gone))]
        assert 8 <= len(gone) < 16
        assert codes == [1013] * len(gone)
        for line in lines[: len(gone) - 4]:
            assert len(read_all(line)) < 600_000  # it was aborted
    words = f"more than MAX_QUEUED_BYTES={bounds.max_queued_bytes}"
    (line,) = [each for each in caplog.messages if "evicted" in each]
    assert line.startswith(words)
    assert server.parties.backlog.bytes == 0


def test_broadcast_is_encoded_once() -> None:
    encoded: list[str] = []

    class Counted(BaseModel):
        @model_serializer
        def count(self) -> dict[str, int]:
            encoded.append("once")
            return {"number": 1}

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast(Counted())

    with (
        serve_parties(chat=Chat) as server,
        server.join("1", "chat") as ada,
        server.join("1", "chat") as bob,
        server.join("1", "chat") as eve,
    ):
        ada.send("go")
        assert ada.next() == bob.next() == eve.next() == {"number": 1}
    assert encoded == ["once"]


def test_socket_send_buffer_is_small() -> None:
    with bind_socket("127.0.0.1", 0, "demo_02") as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname(), PATIENCE):
            line, _ = listening.accept()
            with line:
                held = line.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert held <= 2 * SOCKET_SEND_BUFFER
