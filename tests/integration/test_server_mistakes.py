"""Mistakes in a party: they are reported, and affect nobody else."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from shared.party import Connection, Frame, Room, Server

from ..support.party_server import Echo, TestServer, serve_parties
from ..support.server_process import PATIENCE


class Stage(Server):
    """Runs the command of a message."""

    async def on_message(self, message: Frame, sender: Connection) -> None:
        self.room.broadcast(message)


def the_room(server: TestServer) -> Room:
    """Return the room of the tests."""
    room = server.parties.room("stage", "1")
    assert room
    return room


def in_a_thread(do: Callable[[], object]) -> list[Exception]:
    """Call it in another thread; return what it raises."""
    raised: list[Exception] = []

    def attempt() -> None:
        try:
            do()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join(PATIENCE)
    return raised


@pytest.mark.parametrize("how", ["send", "broadcast", "with a key"])
def test_broadcast_in_a_thread_is_an_error_with_advice(how: str) -> None:
    """A later broadcast with the same key is sent."""
    key = "news" if how == "with a key" else None
    with (
        serve_parties(stage=Stage) as server,
        server.join("1", "stage", pk="ada") as ada,
        server.join("1", "stage", pk="bob") as bob,
    ):
        ada.send({"number": 1})
        assert ada.next() == bob.next() == {"number": 1}
        room = the_room(server)
        do: dict[str, Callable[[], None]] = {
            "send": lambda: room.connections_by_id["ada"].send("late"),
            "broadcast": lambda: room.broadcast("late"),
            "with a key": lambda: room.broadcast("late", key=key),
        }
        [error] = in_a_thread(do[how])
        assert "call_soon_threadsafe" in str(error)
        for number in (2, 3):
            said = {"number": number}
            server.call(lambda said=said: room.broadcast(said, key=key))
            assert ada.next() == bob.next() == said


@pytest.mark.parametrize("said", ["\ud800", object()])
def test_message_that_cannot_be_encoded_fails_the_hook(
    said: object, caplog: pytest.LogCaptureFixture
) -> None:
    """All connections stay open, and the log names the line."""

    class Careless(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            if message == "careless":
                self.room.broadcast(said)
            self.room.broadcast({"said": message})

    with (
        serve_parties(stage=Careless) as server,
        server.join("1", "stage") as ada,
        server.join("1", "stage") as bob,
    ):
        ada.send("careless")
        ada.send("again")
        assert ada.next() == bob.next() == {"said": "again"}
    [record] = caplog.records
    assert record.message == "stage/1: a hook failed, the room goes on"
    assert record.exc_text
    assert "self.room.broadcast(said)" in record.exc_text


def test_nan_is_null_in_json() -> None:
    with serve_parties(stage=Stage) as server, server.join("1", "stage") as ada:
        server.call(the_room(server).broadcast, {"mean": float("nan")})
        assert ada.socket.recv(PATIENCE) == '{"mean":null}'


def test_without_may_be_a_single_id() -> None:
    with (
        serve_parties(stage=Stage) as server,
        server.join("1", "stage", pk="ada") as ada,
        server.join("1", "stage", pk="a") as a,
    ):
        room = the_room(server)
        somebody: Any = room.connections()
        with pytest.raises(TypeError, match=r"without=\[sender\.id\]"):
            server.call(room.broadcast, "to nobody", somebody)
        server.call(room.broadcast, {"for": "a"}, "ada")
        server.call(room.broadcast, {"for": "both"})
        assert a.next() == {"for": "a"}
        assert a.next() == ada.next() == {"for": "both"}


def test_server_init_may_omit_super() -> None:
    class Own(Echo):
        def __init__(self, room: Room) -> None:
            self.votes = 0

    with serve_parties(own=Own, echo=Echo) as server:
        with server.join("1", "own", pk="ada") as ada:
            assert ada.next() == {"room": "1", "you": "ada"}
            assert len(server.parties.connections()) == 1
        server.run_in_loop(server.parties.shutdown(0))


def test_rooms_as_a_string_are_an_error() -> None:
    with pytest.raises(TypeError, match=r'Chat\.rooms .* \["total"\]'):

        class Chat(Server):
            rooms = "total"


def test_misspelt_hook_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Once; a method unlike any hook is not."""

    class Poll(Server):
        async def on_mesage(self, *_: Any) -> None: ...
        async def onConnect(self, *_: Any) -> None: ...
        async def on_vote(self, *_: Any) -> None: ...
        def on_close(self, *_: Any) -> None: ...

    class Secret(Poll): ...

    assert sorted(caplog.messages) == [
        "Poll.onConnect: the hook is on_connect",
        "Poll.on_mesage: the hook is on_message",
    ]


def test_empty_frame_keeps_its_type() -> None:
    heard: list[Frame] = []

    class Ear(Server):
        def on_message(self, message: Frame, sender: Connection) -> None:
            heard.append(message)
            sender.send({"heard": len(heard)})

    with serve_parties(stage=Ear) as server, server.join("1", "stage") as ada:
        for frame in (b"", ""):
            ada.socket.send(frame)
            ada.next()
    assert heard == [b"", ""]
