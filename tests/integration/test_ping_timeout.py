"""Clients that vanish without a close frame, or answer no ping."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import msgpack
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

from shared.party import Connection, Frame, Server
from shared.party.transport.bounded_protocol import BoundedProtocol

from ..support.party_server import TestServer, serve_parties
from ..support.server_process import PATIENCE, ServerProcess
from ..support.tcp_proxy import proxy_to
from ..support.ws_frames import PING, TEXT, close_code, frame
from .test_presence import JOIN


class Library(Server):
    """Sends a newcomer more than a write buffer takes."""

    lines = 1
    left = threading.Event()
    heard = threading.Event()

    async def on_connect(self, connection: Connection, *_: Any) -> None:
        for _ in range(self.lines):
            connection.send("x" * 150_000)

    async def on_message(self, message: Frame, sender: Connection) -> None:
        self.heard.set()

    async def on_close(self, connection: Connection) -> None:
        self.left.set()


@pytest.fixture(autouse=True)
def lost(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a connection has left the room."""
    monkeypatch.setattr(Library, "left", threading.Event())
    monkeypatch.setattr(Library, "heard", threading.Event())
    lost = threading.Event()
    lose = BoundedProtocol.connection_lost

    def connection_lost(self: BoundedProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        lost.set()

    monkeypatch.setattr(BoundedProtocol, "connection_lost", connection_lost)
    return lost


def ping_often(server: TestServer, seconds: float = 0.1) -> None:
    """Set the ping interval and timeout, which are 20 seconds by default."""
    server.config.ws_ping_interval = server.config.ws_ping_timeout = seconds


@pytest.mark.parametrize("lines", [1, 3], ids=["waiting", "held up"])
def test_client_that_answers_no_ping_is_closed(
    monkeypatch: pytest.MonkeyPatch, lost: threading.Event, lines: int
) -> None:
    """Even if nothing is read: no write would ever fail."""
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 60)
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", 0.1
    )
    monkeypatch.setattr(Library, "lines", lines)
    with serve_parties(library=Library) as server:
        ping_often(server)
        with server.stalled("/parties/library/1"):
            assert Library.left.wait(PATIENCE)
            assert lost.wait(PATIENCE)


def test_client_that_answers_pings_stays() -> None:
    with serve_parties(library=Library) as server:
        ping_often(server, 0.5)
        with server.join("1", "library") as ada:
            ada.socket.recv(PATIENCE)
            with server.stalled("/parties/library/1"):
                assert Library.left.wait(PATIENCE)
            ada.send("still here")
            assert Library.heard.wait(PATIENCE)


def test_client_that_answers_no_ping_reads_the_reason(
    monkeypatch: pytest.MonkeyPatch, lost: threading.Event
) -> None:
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", 60
    )
    with serve_parties(library=Library) as server:
        ping_often(server)
        with server.stalled("/parties/library/1") as bare:
            assert Library.left.wait(PATIENCE)
            assert not lost.is_set()
            heard = b""
            while not heard.endswith(b"any more."):
                heard += bare.recv(65_536)
            assert close_code(heard) == 1011


def test_unread_close_frame_does_not_keep_the_socket(
    monkeypatch: pytest.MonkeyPatch, lost: threading.Event
) -> None:
    soon = property(lambda _: 0.05, lambda *_: None)
    monkeypatch.setattr(BoundedProtocol, "close_timeout", soon, raising=False)
    with (
        serve_parties(library=Library) as server,
        server.stalled("/parties/library/1?_pk=ada"),
        server.join("1", "library", pk="ada"),
    ):
        assert Library.left.wait(PATIENCE)
        assert lost.wait(PATIENCE)


def test_flood_of_pings_takes_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.party.backpressure.STALL_TIMEOUT", 60)
    with (
        serve_parties(library=Library) as server,
        server.stalled("/parties/library/1") as flood,
    ):
        for _ in range(20):
            flood.sendall(frame(PING, b"x" * 125) * 1_000)
        flood.sendall(frame(TEXT, b"done"))
        assert Library.heard.wait(PATIENCE)
        (line,) = server.server_state.connections
        assert isinstance(line, WebSocketsSansIOProtocol)
        waiting = server.call(line.transport.get_write_buffer_size)
        assert waiting < 512 * 1024


@pytest.mark.stages(5)
def test_cursor_of_a_lost_connection_is_removed(
    serve: Callable[..., ServerProcess],
) -> None:
    """The machine is gone; its socket still accepts writes."""
    ways = {"bob": "up", "eve": "down"}
    running = serve(PING_INTERVAL="1")
    with running.join(party="presence") as ada, ExitStack() as stack:
        ada.send(JOIN)
        for id, way in ways.items():
            proxy = stack.enter_context(proxy_to(running))
            guest = stack.enter_context(proxy.join(party="presence", pk=id))
            guest.send(JOIN)
            while b"sync" not in guest.socket.recv(PATIENCE):
                pass
            proxy.swallow(way)
            stack.callback(proxy.cut)
        removed: set[str] = set()
        while removed != set(ways):
            told = msgpack.unpackb(cast(bytes, ada.socket.recv(PATIENCE)))
            removed.update(told.get("remove", []))
