"""The party runtime by itself: hooks, rooms, connections, URLs."""

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.party import Connection, Entry, Frame, MessageRejected, Server
from shared.party.limits import Limits
from shared.party.paths import MAX_ID_LENGTH

from ..support.party_server import Echo, TestServer, serve_parties
from ..support.server_process import HANDSHAKE, PATIENCE
from ..support.ws_frames import TEXT, frame


@pytest.fixture(scope="module")
def echo() -> Iterator[TestServer]:
    """One server for the tests that change nothing in it."""
    with serve_parties(echo=Echo, mute=Server) as server:
        yield server


# Hooks


def test_hook_goes_on_when_its_caller_disconnects() -> None:
    left = asyncio.Event()

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"asked": message})
            await left.wait()
            self.room.broadcast({"answered": message})

        async def on_close(self, connection: Connection) -> None:
            left.set()

    with serve_parties(chat=Chat) as server, server.join("1", "chat") as bob:
        with server.join("1", "chat") as ada:
            ada.send("why?")
            assert bob.next() == {"asked": "why?"}
        assert bob.next() == {"answered": "why?"}


def test_hook_does_not_delay_the_next_message() -> None:
    second = asyncio.Event()

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            if message == "first":
                await second.wait()
            second.set()
            sender.send({"done": message})

    with serve_parties(chat=Chat) as server, server.join("1", "chat") as ada:
        ada.send("first")
        ada.send("second")
        assert ada.next() == {"done": "second"}
        assert ada.next() == {"done": "first"}


class FragileAtOnce(Server):
    """All of its hooks fail, without waiting for anything."""

    closed = threading.Event()

    def on_connect(self, *_: Any) -> Any:
        raise RuntimeError("in on_connect")

    def on_message(self, message: Frame, sender: Connection) -> Any:
        if message == "break":
            raise RuntimeError("in on_message")
        self.room.broadcast({"echo": message})

    def on_close(self, connection: Connection) -> Any:
        self.closed.set()
        raise RuntimeError("in on_close")

    def on_request(self, request: Request) -> Any:
        raise RuntimeError("in on_request")


class Fragile(FragileAtOnce):
    """The same, as coroutine functions."""

    closed = threading.Event()

    async def on_connect(self, *arguments: Any) -> None:
        super().on_connect(*arguments)

    async def on_message(self, message: Frame, sender: Connection) -> None:
        super().on_message(message, sender)

    async def on_close(self, connection: Connection) -> None:
        super().on_close(connection)

    async def on_request(self, request: Request) -> None:
        super().on_request(request)


@pytest.mark.parametrize("fragile", [Fragile, FragileAtOnce])
def test_hook_error_is_logged_and_the_room_goes_on(
    fragile: type[FragileAtOnce],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve_parties(fragile=fragile) as server:
        with server.join("1", "fragile") as bob:
            with server.join("1", "fragile") as ada:
                ada.send("break")
                ada.send("hello")
                assert ada.next() == bob.next() == {"echo": "hello"}
            assert fragile.closed.wait(PATIENCE)
            bob.send("again")
            assert bob.next() == {"echo": "again"}
        answer = server.get("/parties/fragile/1")
        assert answer.status == 500
        assert answer.json() == {"error": "Something went wrong in here."}
    for hook in ("on_connect", "on_message", "on_close", "on_request"):
        records = [r for r in caplog.records if f"in {hook}" in str(r.exc_info)]
        assert records
        assert all("fragile/1:" in r.getMessage() for r in records)


class PickyAtOnce(Server):
    """Rejects a message, without waiting for anything."""

    def on_message(self, message: Frame, sender: Connection) -> Any:
        if message != "please":
            raise MessageRejected("Say please.", id="7")
        self.room.broadcast({"said": message})


class Picky(PickyAtOnce):
    """The same, in a coroutine function."""

    async def on_message(self, message: Frame, sender: Connection) -> None:
        super().on_message(message, sender)


@pytest.mark.parametrize("picky", [Picky, PickyAtOnce])
def test_rejection_is_sent_to_its_caller_alone(picky: type[Server]) -> None:
    """And it is garbage then: no cycle keeps it."""
    with (
        serve_parties(picky=picky) as server,
        server.join("1", "picky") as ada,
        server.join("1", "picky") as bob,
    ):
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                ada.send("now!")
                error = {"type": "error", "message": "Say please.", "id": "7"}
                assert ada.next() == error
            ada.send("please")
            assert ada.next() == bob.next() == {"said": "please"}
            left = [o for o in gc.get_objects() if type(o) is MessageRejected]
        finally:
            gc.enable()
    assert not left


def test_frame_of_more_than_64_kib_is_rejected(
    echo: TestServer,
) -> None:
    with echo.join("1", "echo") as ada:
        ada.next()
        for most in ("x" * 65_536, b"x" * 65_536, "é" * 32_768):
            ada.send(most)
            assert len(ada.next()["echo"]) == len(most)
        for more in ("x" * 65_537, b"x" * 65_537, "é" * 32_769):
            ada.send(more)
            assert ada.next() == {
                "type": "error",
                "message": "A frame may have 65,536 bytes at most.",
            }


# on_start


def test_on_start_runs_once_before_all_other_hooks() -> None:
    events: list[str] = []

    class Slow(Echo):
        async def on_start(self) -> None:
            events.append("starting")
            while self.room.occupancy < 20:  # noqa: ASYNC110
                await asyncio.sleep(0)
            events.append("started")

        async def on_connect(self, *_: Any) -> None:
            events.append("connect")

        async def on_request(self, request: Request) -> Response:
            events.append("request")
            return Response()

    with serve_parties(slow=Slow) as server, ThreadPoolExecutor(20) as threads:

        def join() -> None:
            with server.join("1", "slow") as guest:
                guest.send("hello")
                guest.next()

        visits = [
            threads.submit(*visit)
            for _ in range(10)
            for visit in ((join,), (server.get, "/parties/slow/1"))
        ]
        for visit in visits:
            visit.result(PATIENCE)
    assert events[:2] == ["starting", "started"]
    assert sorted(events[2:]) == ["connect"] * 10 + ["request"] * 10


def test_room_that_cannot_start_is_logged_and_retried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[str] = []

    class Shaky(Echo):
        async def on_start(self) -> None:
            tries.append(self.room.id)
            if len(tries) == 1:
                while self.room.occupancy < 5:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                raise RuntimeError("no luck")

    with serve_parties(shaky=Shaky) as server:
        with ThreadPoolExecutor(5) as threads:
            visit = (server.refused, "1", "shaky")
            visits = [threads.submit(*visit) for _ in range(5)]
            assert [each.result() for each in visits] == [500] * 5
        assert "shaky/1: on_start failed" in caplog.messages
        with server.join("1", "shaky") as ada:
            assert ada.next()["room"] == "1"
    assert tries == ["1", "1"]


# Rooms

THREE_ROOMS = Limits(max_rooms=3)


class Diary(Server):
    """Records its connections, and when it started."""

    starts: list[str]

    async def on_start(self) -> None:
        self.starts.append(self.room.id)
        self.entries = self.room.log(Entry)

    async def on_message(self, message: Frame, sender: Connection) -> None:
        sender.send({"heard": message})

    async def on_request(self, request: Request) -> Response:
        await self.entries.append(Entry())
        return JSONResponse(len(self.entries))


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rooms of `Diary` that were started."""
    starts: list[str] = []
    monkeypatch.setattr(Diary, "starts", starts, raising=False)
    return starts


def test_longest_idle_room_is_evicted_and_its_log_survives(
    starts: list[str],
) -> None:
    with serve_parties(bounds=THREE_ROOMS, diary=Diary) as server:
        counts = [
            server.get(f"/parties/diary/{room}").json() for room in "1231"
        ]
        assert counts == [1, 1, 1, 2]
        assert server.get("/parties/diary/4").json() == 1
        for room, count in ("1", 3), ("2", 2):  # room 2 was idle for longest
            assert server.get(f"/parties/diary/{room}").json() == count
    assert starts == ["1", "2", "3", "4", "2"]


def test_room_with_a_connection_is_not_evicted(starts: list[str]) -> None:
    with (
        serve_parties(bounds=THREE_ROOMS, diary=Diary) as server,
        server.join("1", "diary") as ada,
        server.join("2", "diary") as bob,
    ):
        for room in "345":
            assert server.get(f"/parties/diary/{room}").status == 200
        with server.join("6", "diary"):
            assert server.get("/parties/diary/7").status == 503
            assert server.refused("8", "diary") == 503
        for guest in (ada, bob):
            guest.send("still here")
            assert guest.next() == {"heard": "still here"}
    assert starts == ["1", "2", "3", "4", "5", "6"]


def test_room_with_a_running_hook_is_not_evicted() -> None:
    left, done = threading.Event(), asyncio.Event()

    class Chat(Echo):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            sender.send({"asked": message})
            await done.wait()

        async def on_close(self, connection: Connection) -> None:
            left.set()

    with serve_parties(bounds=Limits(max_rooms=1), chat=Chat) as server:
        with server.join("1", "chat") as ada:
            ada.next()
            ada.send("why?")
            ada.next()
        assert left.wait(PATIENCE)
        assert server.get("/parties/chat/2").status == 503
        server.call(done.set)


# Connections


def test_connection_supersedes_an_earlier_one_with_its_id() -> None:
    left = threading.Event()

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"said": message})

        async def on_close(self, connection: Connection) -> None:
            left.set()

    with (
        serve_parties(chat=Chat) as server,
        server.join("1", "chat", pk="bob") as bob,
        server.join("1", "chat", pk="ada") as old,
        server.join("1", "chat", pk="ada") as new,
    ):
        why = "Your place was taken from another window."
        assert old.closed() == (4001, why)
        assert left.wait(PATIENCE)
        bob.send("hello")
        assert new.next() == bob.next() == {"said": "hello"}


def test_superseded_connection_is_not_heard() -> None:
    class Paced(Server):
        max_frames_per_second = 2

        def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"said": message})

    with (
        serve_parties(paced=Paced) as server,
        server.join("1", "paced", pk="bob") as bob,
        server.connected() as old,
    ):
        bob.send("I am here")
        assert bob.next() == {"said": "I am here"}
        old.sendall(HANDSHAKE % b"/parties/paced/1?_pk=ada")
        assert old.recv(65_536).startswith(b"HTTP/1.1 101 ")
        for word in (b"one", b"two", b"held back"):
            old.sendall(frame(TEXT, word))
        assert [bob.next()["said"] for _ in range(2)] == ["one", "two"]
        with server.join("1", "paced", pk="ada"):
            old.sendall(frame(TEXT, b"too late"))
            for word in "abcd":  # the last of them comes a second later
                bob.send(word)
                assert bob.next() == {"said": word}


@pytest.mark.parametrize("rate", [None, 1])
def test_heartbeat_is_answered_below_the_room(rate: int | None) -> None:
    """Each `ping` is answered at once, at any rate; no other text is."""

    class Paced(Echo):
        max_frames_per_second = rate

    with serve_parties(paced=Paced) as server, server.join("1", "paced") as ada:
        ada.next()
        for said in ("ping", "ping", "ping ", "ping"):
            ada.send(said)
        pongs = [ada.socket.recv(PATIENCE) for _ in range(4)]
        pongs.remove(json.dumps({"echo": "ping "}, separators=(",", ":")))
        assert pongs == ["pong"] * 3
        said = json.dumps({"message": {"body": "ping"}})
        ada.send(said)
        assert ada.next() == {"echo": said}


def test_failed_send_closes_that_connection_alone() -> None:
    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            for connection in self.room.connections():
                half = "\ud83d" if connection.id == "ada" else "whole"
                connection._enqueue(f'{{"said": "{half}"}}')

        async def on_close(self, connection: Connection) -> None:
            self.room.broadcast({"left": connection.id})

    with (
        serve_parties(chat=Chat) as server,
        server.join("1", "chat", pk="ada") as ada,
        server.join("1", "chat", pk="bob") as bob,
    ):
        bob.send("emoji")
        assert bob.next() == {"said": "whole"}
        assert ada.closed() == (1011, "Something went wrong in here.")
        assert bob.next() == {"left": "ada"}


@pytest.mark.parametrize(
    ("pk", "id"),
    [
        ("a/b", "a/b"),
        ("caf%C3%A9", "café"),
        ("%00", "\0"),
        ("%1B[2J", "\x1b[2J"),
        ("%FF", "\ufffd"),
        ("x" * MAX_ID_LENGTH, "x" * MAX_ID_LENGTH),
    ],
)
def test_connection_id_may_be_any_text(
    echo: TestServer, pk: str, id: str
) -> None:
    with echo.join("1", "echo", pk=pk) as ada:
        assert ada.next()["you"] == id


def test_connection_without_an_id_gets_one(echo: TestServer) -> None:
    with (
        echo.join("1", "echo") as ada,
        echo.join("1?_pk=", "echo") as bob,
    ):
        assert ada.next()["you"] != bob.next()["you"] != ""
    too_long = "x" * (MAX_ID_LENGTH + 1)
    assert echo.refused("1", "echo", pk=too_long) == 400


# URLs


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("room", "room"),
        ("room/", "room"),
        ("a%2Fb", "a/b"),
        ("%2E%2E", ".."),
        ("caf%C3%A9", "café"),
        ("%F0%9F%90%AC", "🐬"),
        ("a%20b%3F", "a b?"),
        ("%00", "\0"),
        ("x" * 256, "x" * 256),
    ],
)
def test_room_id_may_be_any_text(echo: TestServer, path: str, id: str) -> None:
    assert echo.get(f"/parties/echo/{path}").json() == {"room": id}
    with echo.join(path, "ECHO") as ada:
        assert ada.next()["room"] == id


@pytest.mark.parametrize(
    "path",
    [
        "/parties/nobody/1",
        "/parties/echo/",
        "/parties/echo",
        "/parties/echo/a/b",
        "/parties/echo/%FF",
        "/parties/nobody/parties/echo/1",
        "/parties/%65%63%68%6f%2F1",
        "/parties/echo/" + "x" * 257,
    ],
)
def test_invalid_room_path_is_a_404(echo: TestServer, path: str) -> None:
    assert echo.get(path).status == 404
    answer = echo.raw(HANDSHAKE % path.encode())
    assert answer[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 403")


def test_party_without_on_request_is_a_404(echo: TestServer) -> None:
    assert echo.get("/parties/mute/1").status == 404
    assert echo.ask("POST", "/parties/mute/1", {}).status == 404
    assert echo.parties.room("mute", "1") is None
