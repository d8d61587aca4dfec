"""Connections that close or stall within an event-loop iteration."""

import asyncio
import socket
from typing import Any

import pytest

from shared.party import Connection, Frame, Room, Server
from shared.party.encoding import EncodedJSON
from shared.party.transport.write_batcher import WriteBatcher

from ..support.party_server import TestServer, serve_parties
from ..support.server_process import PATIENCE
from ..support.ws_frames import (
    CLOSE,
    TEXT,
    close_frame,
    frame,
    parse_frames,
    read_all,
)


class Stage(Server):
    """Runs the command of a message within one event-loop iteration."""

    def on_message(self, message: Frame, sender: Connection) -> None:
        self.room.broadcast("before")
        if message == "falter":
            sender._wake_writer()
            sender.send("to you")
            sender.send({"all": EncodedJSON(b"[]")})
        elif message == "close":
            sender.close(4000, "bye")
        elif message == "cut":
            sender._abort((4000, "bye"))
        elif message == "silent":
            line = sender.websocket.scope["extensions"]["party.socket"]
            line.close_now(4000, "bye")
        self.room.broadcast("after")


class Later(Server):
    """Broadcasts in a later iteration, which regroups all connections."""

    async def on_message(self, message: Frame, sender: Connection) -> None:
        self.room.broadcast("after " * 100)


PARTIES: dict[str, type[Server]] = {"stage": Stage, "later": Later}


def the_room(server: TestServer, party: str = "stage") -> Room:
    """Return the room of the tests."""
    room = server.parties.room(party, "1")
    assert room
    return room


def fill(server: TestServer, party: str = "stage") -> Any:
    """Fill ada's write buffer below its limit; return the socket."""
    room = the_room(server, party)
    server.call(int)  # the end of the iteration in which ada joins
    line = room.connections_by_id["ada"].websocket.scope["extensions"][
        "party.socket"
    ]
    while not server.call(line.buffered_bytes):
        server.call(room.broadcast, b"x" * 8_000, ["nobody"])
    assert line.writable.is_set()
    return line


def heard(bare: socket.socket) -> list[tuple[int, bytes]]:
    """Read all frames until the socket closes, and no incomplete one."""
    frames, rest = parse_frames(read_all(bare))
    assert rest == b""
    return frames


def test_send_and_broadcast_keep_their_order() -> None:
    """Also if a connection is congested for a moment."""
    with (
        serve_parties(**PARTIES) as server,
        server.join("1", "stage", pk="ada") as ada,
        server.join("1", "stage", pk="bob") as bob,
    ):
        ada.send("falter")
        said = [ada.socket.recv(PATIENCE) for _ in range(4)]
        assert said == ["before", "to you", '{"all":[]}', "after"]
        assert bob.socket.recv(PATIENCE) == "before"
        assert bob.socket.recv(PATIENCE) == "after"
        connection = the_room(server).connections_by_id["ada"]
        server.run_in_loop(connection._wait_sent())
        assert connection._is_idle


def test_closed_connection_gets_no_more_frames() -> None:
    with (
        serve_parties(**PARTIES) as server,
        server.stalled("/parties/stage/1?_pk=ada") as ada,
    ):
        ada.sendall(frame(TEXT, b"close"))
        ada.sendall(close_frame(4000))
        assert heard(ada) == [(TEXT, b"before"), (CLOSE, b"\x0f\xa0bye")]


def test_aborted_connection_gets_no_more_frames() -> None:
    """As after a ping timeout, past the queue."""
    with (
        serve_parties(**PARTIES) as server,
        server.stalled("/parties/stage/1?_pk=ada") as ada,
    ):
        ada.sendall(frame(TEXT, b"silent"))
        assert heard(ada)[-1] == (CLOSE, b"\x0f\xa0bye")


@pytest.mark.parametrize(
    "end",
    [close_frame(1000), frame(3, b"no such kind")],
    ids=["asked for", "caused"],
)
@pytest.mark.parametrize("party", PARTIES)
def test_close_frame_is_the_last_frame(party: str, end: bytes) -> None:
    """The client that closes, or sends an invalid frame, has much to read."""
    with (
        serve_parties(**PARTIES) as server,
        server.stalled(f"/parties/{party}/1?_pk=ada") as ada,
    ):
        fill(server, party)
        ada.sendall(frame(TEXT, b"go") + end)
        kinds = [opcode for opcode, _ in heard(ada)]
    assert kinds.index(CLOSE) == len(kinds) - 1


def test_shutdown_survives_a_connection_that_is_closing() -> None:
    with (
        serve_parties(**PARTIES) as server,
        server.stalled("/parties/stage/1?_pk=ada") as ada,
    ):
        line = fill(server)
        ada.sendall(close_frame(1000))
        while the_room(server).connections_by_id:
            server.call(int)
        server.call(line.shutdown)
        assert heard(ada)[-1][0] == CLOSE


def test_close_frame_after_an_invalid_frame_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the socket stays until it is aborted."""
    monkeypatch.setattr(
        "shared.party.transport.websocket_protocol.CLOSE_TIMEOUT", 10 * PATIENCE
    )
    with (
        serve_parties(**PARTIES) as server,
        server.stalled("/parties/stage/1?_pk=ada") as ada,
    ):
        ada.sendall(frame(TEXT, b"cut") + close_frame(4000))
        opcode, payload = heard(ada)[-1]
        assert (opcode, payload[:2]) == (CLOSE, b"\x0f\xa0")


async def test_failed_write_delays_no_other_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written: list[str] = []

    class Broken:
        def flush(self) -> None:
            raise RuntimeError("broken")

    class Whole:
        def flush(self) -> None:
            written.append("all of it")

    batcher = WriteBatcher()
    senders: list[Any] = [Broken(), Whole()]
    for sender in senders:
        batcher.add(sender)
    batcher.schedule(1)
    await asyncio.sleep(0)
    assert written == ["all of it"]
    assert caplog.messages == ["a batch of frames could not be written"]
