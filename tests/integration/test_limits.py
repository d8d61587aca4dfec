"""Limits: a client beyond one is told so, and nobody else notices."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict
from secrets import token_urlsafe

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server
from shared.party.fetch import FetchResponse
from shared.party.limits import Limits
from shared.party.registry import PartyRegistry
from shared.settings import Settings
from shared.web.browser_id import BROWSER_COOKIE, sign

from ..support.party_server import Echo, serve_parties
from ..support.server_process import (
    HANDSHAKE,
    PATIENCE,
    Answer,
    Client,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.ws_frames import read_all

KEY = "a-key-of-some-length"
STRICT = {
    "MAX_FRAME_BYTES": "1024",
    "MAX_BODY_BYTES": "2048",
    "MAX_MESSAGES_PER_SECOND": "50",
    "MAX_CONNECTIONS_PER_ROOM": "3",
    "HISTORY_LIMIT": "4",
    "PRESENTER_KEY": KEY,
}

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def strict(stage: Stage) -> Iterator[ServerProcess]:
    """A server with low limits."""
    with start(stage, **STRICT) as running:
        yield running


def refusal(
    server: Client, room: str, party: str = "chatroom"
) -> Answer | None:
    """Return how a handshake is refused; None if it is not."""
    try:
        with server.join(room, party):
            return None
    except InvalidStatus as refused:
        headers = {k.lower(): v for k, v in refused.response.headers.items()}
        text = (refused.response.body or b"").decode()
        return Answer(refused.response.status_code, headers, text)


def let_in(server: Client, room: str, party: str = "chatroom") -> None:
    """Connect until it works: a disconnect takes a moment."""
    deadline = time.monotonic() + PATIENCE
    while (refused := refusal(server, room, party)) is not None:
        assert refused.status == 503
        assert time.monotonic() < deadline


# Settings


def test_limits_are_settings_with_the_same_defaults() -> None:
    bounds, settings = asdict(Limits()), Settings.model_fields
    assert {name: settings[name].default for name in bounds} == bounds
    chosen = {name: 2_000_000 + number for number, name in enumerate(bounds)}
    assert asdict(Settings(**chosen).limits) == chosen  # type: ignore[arg-type]


@pytest.mark.stages(2)
def test_messages_beyond_the_rate_are_rejected_and_may_be_retried(
    strict: ServerProcess,
) -> None:
    page = strict.get("/").headers["set-cookie"]
    hers = {"Cookie": page.partition(";")[0]}
    with (
        strict.join("room-4") as bob,
        strict.join("room-4", additional_headers=hers) as ada,
    ):
        bob.wait_for("history")
        ada.wait_for("history")
        said = [ada.say(f"number {number}")["id"] for number in range(400)]
        answers = [ada.next() for _ in said]
        kept = [each["id"] for each in answers if each["type"] == "ack"]
        refused = [each for each in answers if each["type"] == "error"]
        assert kept[:50] == said[:50]
        assert all(0 < each["retry_after"] <= 2 for each in refused)
        assert sorted([*kept, *(each["id"] for each in refused)]) == sorted(
            said
        )
        why = "At most 50 messages a second, please."
        assert {each["message"] for each in refused} == {why}
        assert [bob.next()["message"]["id"] for _ in kept] == kept
        again = {"type": "error"}
        while again["type"] == "error":
            ada.say("again", id=refused[0]["id"])
            again = ada.next()
        assert again["type"] == "ack"
        assert bob.next()["message"]["id"] == again["id"] == refused[0]["id"]
    with strict.join("room-4") as late:
        assert len(late.next()["messages"]) == 4


@pytest.mark.stages(2)
def test_full_room_accepts_a_connection_after_another_left(
    strict: ServerProcess,
) -> None:
    with strict.join("party-chat") as ada, strict.join("party-chat") as bob:
        bob.wait_for("history")
        with strict.join("party-chat"):
            refused = refusal(strict, "party-chat")
            assert refused
            assert refused.status == 503
            assert refused.json() == {
                "error": "This room is full. Come back later."
            }
            assert refused.headers["retry-after"] == "5"
            assert refusal(strict, "on-page-help") is None
            ada.say("all here?")
            assert bob.hear("all here?")
        let_in(strict, "party-chat")


@pytest.mark.stages(2)
@pytest.mark.parametrize("path", ["/parties/chatroom/room-4", "/presenter"])
def test_body_size_limit_is_a_setting(strict: ServerProcess, path: str) -> None:
    why = {"error": "A request may have 2,048 bytes at most."}
    key = {"authorization": f"Bearer {KEY}"}
    answer = strict.ask("POST", path, "x" * 2_047, **key)
    assert (answer.status, answer.json()) == (413, why)
    assert strict.ask("POST", path, "x" * 2_046, **key).status in (404, 422)


@pytest.mark.stages(5)
def test_invented_rooms_do_not_displace_listed_ones(serve: Serve) -> None:
    running = serve(MAX_ROOMS="1", MAX_NEW_ROOMS_PER_MINUTE="2")
    parties = "chatroom", "presence", "usage"
    for party in parties:
        for room in ("junk1", "junk2", "junk3"):
            refused = refusal(running, room, party)
            assert refused
            assert refused.status == 404
    with ExitStack() as stack:
        for party in parties[:2]:
            for room in ROOM_IDS:
                stack.enter_context(running.join(room, party))
        stack.enter_context(running.join("total", "usage"))
        stack.enter_context(running.join("hello-world", "presence"))
    assert running.errors() == ""


def test_unlisted_rooms_are_bounded_and_listed_ones_open() -> None:
    """A refused room is not even started; one that exists is not new."""
    started: list[str] = []

    class Open(Echo):
        async def on_start(self) -> None:
            started.append(self.room.id)

    class Listed(Open):
        rooms = ("kitchen", "hall")

    bounds = Limits(max_rooms=1, max_new_rooms_per_minute=2)
    with serve_parties(bounds=bounds, open=Open, listed=Listed) as server:
        with server.join("a", "open"):
            refused = refusal(server, "b", "open")
            assert refused
            assert refused.status == 503
            with server.join("kitchen", "listed") as ada:
                assert ada.next()["room"] == "kitchen"
        let_in(server, "b", "open")
        deadline = time.monotonic() + PATIENCE
        while (refused := refusal(server, "c", "open")) is None or (
            refused.status == 503
        ):
            assert time.monotonic() < deadline
        assert refused.status == 429
        words = "Too many rooms were made just now. Come back later."
        assert refused.json() == {"error": words}
        assert refused.headers["retry-after"] == "5"
        assert server.get("/parties/open/c").status == 429
        for path in ("open/b", "listed/kitchen", "listed/hall"):
            assert server.get(f"/parties/{path}").status == 200
    assert {"a", "b"} <= set(started) <= {"a", "b", *Listed.rooms}


# How fast a connection may send


class Teller(Server):
    """Echoes each frame."""

    async def on_message(self, message: Frame, sender: Connection) -> None:
        sender.send({"type": "heard", "frame": message})


def heard(guest: WebSocketClient, last: str) -> list[str]:
    """Return the frames that passed, up to that one."""
    through = [guest.wait_for("heard")["frame"]]
    while through[-1] != last:
        through.append(guest.wait_for("heard")["frame"])
    return through


def cookie(browser: str = "") -> dict[str, str]:
    """Return headers with a signed cookie of a new browser."""
    browser = browser or token_urlsafe()
    return {"Cookie": f"{BROWSER_COOKIE}={browser}.{sign(browser)}"}


@pytest.mark.parametrize("kind", ["signed", "made up", "none"])
def test_sender_that_reconnects_keeps_its_bucket(kind: str) -> None:
    """Connecting again does not reset the rate."""
    taken = 0

    class Counter(Server):
        def on_message(self, message: Frame, sender: Connection) -> None:
            nonlocal taken
            taken += 1

    signed = cookie()
    with serve_parties(bounds=Limits(), counter=Counter) as server:
        began = time.monotonic()
        for number in range(15):
            made_up = {"Cookie": f"{BROWSER_COOKIE}={number}.{number}"}
            headers = {"signed": signed, "made up": made_up}.get(kind)
            with server.join("1", "counter", additional_headers=headers) as eve:
                for _ in range(50):
                    eve.send("x")
        with server.join("1", "counter", additional_headers=cookie()) as ada:
            ada.send("hello")
            ada.send("hello")
        # All is read: the loop answered a later handshake.
        seconds = time.monotonic() - began
    assert 12 <= taken <= 12 + 11 * seconds


@pytest.mark.parametrize("has_cookies", [True, False])
def test_hall_behind_one_address_can_all_say_hello(has_cookies: bool) -> None:
    """A flooder at the same address meanwhile keeps nobody from it."""
    count = 120

    async def say_hello(url: str) -> None:
        headers = cookie() if has_cookies else None
        async with connect(url, proxy=None, additional_headers=headers) as ada:
            opened.release()
            await begin.wait()
            while True:
                await ada.send('{"id":"a1"}')
                answer = json.loads(await ada.recv())
                if answer["type"] == "heard":
                    break
                assert answer["id"] == "a1"
                await asyncio.sleep(answer["retry_after"])

    async def flood(url: str) -> None:
        while not over.is_set():
            with suppress(ConnectionClosed):
                async with connect(url, proxy=None, max_queue=None) as eve:
                    for _ in range(100):
                        await eve.send("x")
                        await asyncio.sleep(0.001)

    async def hall(url: str) -> None:
        flooding = asyncio.create_task(flood(url))
        people = [asyncio.create_task(say_hello(url)) for _ in range(count)]
        for _ in people:
            await opened.acquire()
        begin.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*people)
        over.set()  # to cancel a handshake would leave its socket open
        await flooding

    opened, begin = asyncio.Semaphore(0), asyncio.Event()
    over = asyncio.Event()
    with serve_parties(bounds=Limits(), teller=Teller) as server:
        url = f"ws://127.0.0.1:{server.port}/parties/teller/1"
        asyncio.run(hall(url))


class Pointer(Teller):
    """Has limits of its own, and gets the latest of excess frames."""

    max_frames_per_second = 20.0
    max_frame_bytes = 100


def test_frames_beyond_a_partys_rate_leave_the_latest() -> None:
    with (
        serve_parties(pointer=Pointer) as server,
        server.join("1", "pointer") as ada,
    ):
        for number in range(500):
            ada.send(str(number))
        through = heard(ada, "499")
        assert through[:20] == [str(number) for number in range(20)]
        assert len(through) < 500
        ada.send("500")
        assert heard(ada, "500") == ["500"]


def test_held_back_frame_is_dropped_on_disconnect() -> None:
    left = threading.Event()
    heard_of: list[str] = []

    class Short(Pointer):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            heard_of.append(sender.id)
            await super().on_message(message, sender)

        async def on_close(self, connection: Connection) -> None:
            heard_of.append("left")
            left.set()

    with serve_parties(short=Short) as server, server.join("1", "short") as bob:
        with server.join("1", "short", pk="ada") as ada:
            for number in range(30):
                ada.send(str(number))
        assert left.wait(PATIENCE)
        for number in range(30):
            bob.send(str(number))
        # His last one waited, too, and began to after hers.
        assert len(heard(bob, "29")) < 30
    assert "ada" not in heard_of[heard_of.index("left") :]


@pytest.mark.parametrize("most", [50, 2_000])
def test_frame_size_limit_of_a_party_wins(most: int) -> None:
    with (
        serve_parties(
            bounds=Limits(max_frame_bytes=most), pointer=Pointer
        ) as server,
        server.join("1", "pointer") as ada,
    ):
        ada.send("x" * 100)
        assert ada.next() == {"type": "heard", "frame": "x" * 100}
        ada.send("x" * 101)
        assert ada.next()["message"] == "A frame may have 100 bytes at most."


# How many rooms


def test_room_that_is_starting_is_not_evicted() -> None:
    """Though its visitor has given up; it would start twice at once."""

    async def ask() -> FetchResponse:
        begun = asyncio.Event()

        class Slow(Echo):
            async def on_start(self) -> None:
                begun.set()
                await asyncio.Event().wait()

        slow = PartyRegistry({"slow": Slow}, Limits(max_rooms=1))["slow"]
        hasty = asyncio.create_task(slow.get("1").fetch())
        await begun.wait()
        hasty.cancel()
        await asyncio.wait([hasty])
        return await slow.get("2").fetch()

    assert asyncio.run(ask()).status_code == 503


class Reader(Server):
    """Reads the body of a request."""

    async def on_request(self, request: Request) -> Response:
        return JSONResponse(len(await request.body()))


def test_body_that_is_too_large_is_no_error_of_the_party() -> None:
    def parts(number: int) -> bytes:
        part = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        head = b"POST /parties/reader/1 HTTP/1.1\r\nHost: localhost\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n\r\n"
        return head + chunked + part * number + b"0\r\n\r\n"

    with serve_parties(reader=Reader) as server:
        assert server.raw(parts(16)).startswith(b"HTTP/1.1 200 ")
        answer = server.raw(parts(17))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"65,536 bytes" in answer


def test_refused_handshakes_are_not_logged_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bounds = Limits(max_new_rooms_per_minute=1, max_connections_per_room=1)
    with (
        serve_parties(bounds=bounds, echo=Echo) as server,
        server.join("1", "echo") as ada,
    ):
        for _ in range(20):
            assert server.refused("1", "echo") == 503
            assert server.refused("2", "echo") == 429
            assert server.refused("3", "nobody") == 404
        assert server.get("/parties/echo/1").status == 200
        assert ada.next()["room"] == "1"
    assert caplog.messages == []


# How long a request may take, and how much of it is headers


PATH = b"/parties/reader/1"
POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % PATH
UPGRADE = HANDSHAKE % PATH
COMPLETE = POST + b"Content-Length: 0\r\n\r\n"


def drip(slow: socket.socket, drop: bytes) -> bytes:
    """Send data again and again; return the bytes until the end."""
    heard = b""
    slow.settimeout(0.1)
    for _ in range(round(PATIENCE / 0.1)):
        with suppress(TimeoutError):
            try:
                slow.sendall(drop)
                some = slow.recv(65_536)
            except ConnectionError:
                return heard
            if not some:
                return heard
            heard += some
    raise AssertionError("It may go on and on.")


INCOMPLETE = {
    "nothing": (b"", b""),
    "a head": (POST, b"HTTP/1.1 408 "),
    "a handshake": (UPGRADE[:-2], b"HTTP/1.1 408 "),
    "a body": (POST + b"Content-Length: 9\r\n\r\n", b"HTTP/1.1 408 "),
    "a second head": (COMPLETE + POST, b"HTTP/1.1 200 "),
    "a body nobody reads": (
        POST.replace(b"reader", b"nobody") + b"Content-Length: 9\r\n\r\n",
        b"HTTP/1.1 404 ",
    ),
}


@pytest.mark.parametrize("drips", [False, True], ids=["stalls", "drips"])
def test_incomplete_request_ends_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    drips: bool,
) -> None:
    """Also one that arrives byte by byte."""
    monkeypatch.setattr(
        "shared.party.transport.http_protocol.REQUEST_TIMEOUT", 0.3
    )
    with serve_parties(reader=Reader) as server, ThreadPoolExecutor() as pool:

        def begin(sent: bytes) -> bytes:
            with server.connected() as slow:
                slow.sendall(sent)
                drop = b"x" if sent.endswith(b"\r\n") else b" "
                return drip(slow, drop) if drips and sent else read_all(slow)

        begun = [pool.submit(begin, sent) for sent, _ in INCOMPLETE.values()]
        for each, (name, (_, answer)) in zip(
            begun, INCOMPLETE.items(), strict=True
        ):
            assert each.result().startswith(answer), name
        assert server.get("/parties/reader/1").json() == 0
    assert "Traceback" not in caplog.text


def test_socket_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP requests have one: a 408 after 15 seconds."""
    monkeypatch.setattr(
        "shared.party.transport.http_protocol.REQUEST_TIMEOUT", 0.1
    )
    with (
        serve_parties(echo=Echo) as server,
        server.join("1", "echo") as ada,
        server.connected() as idle,
    ):
        ada.next()
        assert idle.recv(1) == b""  # later than hers, and over
        ada.send("still here")
        assert ada.next() == {"echo": "still here"}


HEADERS = {
    "one of 60 KB": b"Cookie: a=%s\r\n" % (b"x" * 60_000),
    "60 of 1 KB": b"".join(
        b"X-%d: %s\r\n" % (n, b"x" * 990) for n in range(60)
    ),
    "95": b"".join(b"X-%d: y\r\n" % n for n in range(95)),
}
TOO_MANY = {
    "one of 66 KB": b"Cookie: a=%s\r\n" % (b"x" * 66_000),
    "130 KB without an end": b"Cookie: a=%s" % (b"x" * 130_000),
    "66 of 1 KB": b"".join(
        b"X-%d: %s\r\n" % (n, b"x" * 990) for n in range(66)
    ),
    "101": b"".join(b"%d:\r\n" % n for n in range(101)),
}


@pytest.mark.parametrize(
    "request_", [UPGRADE, COMPLETE], ids=["socket", "page"]
)
def test_socket_accepts_the_headers_that_a_page_accepts(
    request_: bytes,
) -> None:
    accepted = b"HTTP/1.1 101 " if request_ is UPGRADE else b"HTTP/1.1 200 "
    with serve_parties(reader=Reader) as server:
        for headers in HEADERS.values():
            answer = server.raw(request_[:-2] + headers + b"\r\n")
            assert answer.startswith(accepted)
        for headers in TOO_MANY.values():
            answer = server.raw(request_[:-2] + headers + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 431 ")
