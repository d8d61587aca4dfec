"""Malformed frames and handshakes: each ends its own socket alone.

RFC 6455 says with which code, and with which status.
"""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from shared.party import Connection, Frame, Server

from ..support.party_server import serve_parties
from ..support.server_process import (
    HANDSHAKE,
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.ws_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    close_code,
    close_frame,
    frame,
    parse_frames,
    read_all,
)

pytestmark = pytest.mark.stages(5)

ROOM = "/parties/chatroom/room-4"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("1", id="fast"),
        pytest.param("0", id="plain", marks=pytest.mark.soak),
    ],
)
def rooms(
    stage: Stage, request: pytest.FixtureRequest
) -> Iterator[ServerProcess]:
    """One server for all tests of this file; it must print no traceback."""
    settings = {
        "FAST_TRANSPORT": request.param,
        "MAX_MESSAGES_PER_SECOND": "1000",
    }
    with start(stage, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def pair(
    rooms: ServerProcess,
) -> Iterator[tuple[WebSocketClient, WebSocketClient]]:
    """Two guests of the room, who talk all the time."""
    with rooms.join("room-4") as ada, rooms.join("room-4") as bob:
        ada.wait_for("history")
        bob.wait_for("history")
        yield ada, bob


@pytest.fixture(autouse=True)
def others_notice_nothing(
    pair: tuple[WebSocketClient, WebSocketClient],
) -> Iterator[None]:
    """Check that the next thing each hears is what the other says."""
    yield
    for one, other in (pair, pair[::-1]):
        said = one.say("does it still work?")
        assert one.next()["id"] == said["id"]
        assert other.next()["message"]["id"] == said["id"]


def answer(rooms: ServerProcess, sent: bytes) -> bytes:
    """All that a socket hears once it has sent something."""
    with rooms.stalled(ROOM) as bare:
        bare.sendall(sent)
        return read_all(bare)


PROTOCOL_ERROR = {
    **{
        f"reserved bit {bit:03b} of {name}": frame(opcode, data, reserved=bit)
        for bit in (1, 2, 4)
        for name, opcode, data in (
            ("text", TEXT, b"hi"),
            ("a ping", PING, b""),
            ("the end", CLOSE, b"\x03\xe8"),
        )
    },
    **{
        f"opcode {opcode}": frame(opcode, b"hi")
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    **{
        f"opcode {opcode} without a mask": frame(opcode, data, masked=False)
        for opcode, data in (
            (TEXT, b"hi"),
            (BINARY, b"hi"),
            (PING, b""),
            (PONG, b""),
            (CLOSE, b"\x03\xe8"),
        )
    },
    **{
        f"control frame {opcode} in parts": frame(opcode, data, fin=False)
        for opcode, data in ((PING, b""), (PONG, b""), (CLOSE, b"\x03\xe8"))
    },
    "a long ping": frame(PING, b"x" * 126),
    "a very long ping": frame(PING, b"x" * 65_536),
    "a long pong": frame(PONG, b"x" * 126),
    "a long end": close_frame(1000, b"x" * 124),
    "a part of nothing": frame(0, b"hi", fin=False),
    "the last part of nothing": frame(0, b"hi"),
    "a part after the last": frame(TEXT, b"{", fin=False)
    + frame(0, b"}")
    + frame(0, b"}"),
    "text among parts of text": frame(TEXT, b"a", fin=False)
    + frame(TEXT, b"b"),
    "parts among parts": frame(TEXT, b"a", fin=False)
    + frame(TEXT, b"b", fin=False),
    "bytes among parts of text": frame(TEXT, b"a", fin=False)
    + frame(BINARY, b"b"),
    "text among parts of bytes": frame(BINARY, b"a", fin=False)
    + frame(TEXT, b"b"),
    "half a code": frame(CLOSE, b"\x03"),
    **{
        f"code {code}": close_frame(code)
        for code in (
            *(0, 1, 999, 1004, 1005, 1006, 1015),
            *(1016, 1100, 2000, 2999, 5000, 65_535),
        )
    },
}

NO_UTF_8 = {
    "a byte that never occurs": b"\xff",
    "a byte of nothing": b"ab\x80",
    "half a letter": b"\xe2\x82",
    "too long a form": b"\xc0\xaf",
    "half an emoji": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}

BAD_TEXT = {
    **{name: frame(TEXT, text) for name, text in NO_UTF_8.items()},
    **{
        f"{name}, in a reason": close_frame(1000, text)
        for name, text in NO_UTF_8.items()
    },
    "in the second part": frame(TEXT, b"a", fin=False) + frame(0, b"\xff"),
    "no rest of a letter": frame(TEXT, b"\xe2", fin=False)
    + frame(0, b"\x82", fin=False)
    + frame(0, b""),
}

TOO_BIG = {
    "3 MB": frame(BINARY, size=b"\xff" + (3_000_000).to_bytes(8)),
    "8 EiB": frame(TEXT, size=b"\xff" + (2**63 - 1).to_bytes(8)),
    "a size with its first bit set": frame(TEXT, size=b"\xff" * 9),
    "4 MB in parts": frame(TEXT, b"x" * 1_500_000, fin=False)
    + frame(0, size=b"\xff" + (2_500_000).to_bytes(8)),
}

MALFORMED = [
    pytest.param(sent, code, id=name)
    for code, cases in (
        (1002, PROTOCOL_ERROR),
        (1007, BAD_TEXT),
        (1009, TOO_BIG),
    )
    for name, sent in cases.items()
]


@pytest.mark.parametrize(("sent", "code"), MALFORMED)
def test_what_is_no_frame_is_answered_with_its_code(
    rooms: ServerProcess, sent: bytes, code: int
) -> None:
    assert close_code(answer(rooms, sent)) == code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(CLOSE), 0),
        (close_frame(1000), 1000),
        (close_frame(1001, "auf bald, Zoë".encode()), 1001),
        (close_frame(3000), 3000),
        (close_frame(4999), 4999),
        (close_frame(1000) + frame(TEXT, b"\xff"), 1000),
        (close_frame(1000) + close_frame(1001), 1000),
        (close_frame(1000) + b"\xff" * 100, 1000),
        (frame(TEXT, b"\xff") + close_frame(1000), 1007),
        (frame(TEXT, b"\xff") * 2, 1007),
    ],
    ids=repr,
)
def test_an_end_is_an_end_whatever_comes_with_it(
    rooms: ServerProcess, sent: bytes, code: int
) -> None:
    assert close_code(answer(rooms, sent)) == code


def test_what_looks_odd_but_is_well_formed_is_taken(
    rooms: ServerProcess,
) -> None:
    """A ping among parts, a size in more bytes than it needs."""
    sent = (
        frame(TEXT, b"[", fin=False)
        + frame(PING, b"are you there?")
        + frame(0, b"]")
        + frame(PONG, b"nobody asked")
        + frame(TEXT, b"[]", size=b"\xfe\x00\x02")
        + frame(TEXT, b"[]", size=b"\xff" + (2).to_bytes(8))
    )
    with rooms.stalled(ROOM) as bare:
        bare.sendall(sent)
        heard = b""
        while len(frames := parse_frames(heard)[0]) < 5:
            heard += bare.recv(65_536)
    assert frames.count((PONG, b"are you there?")) == 1
    refusals = [payload for _, payload in frames if b'"error"' in payload]
    assert len(refusals) == 3


USUAL = HANDSHAKE % ROOM.encode()
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"


def but(old: bytes, new: bytes) -> bytes:
    """The usual handshake with something else in it."""
    assert USUAL.count(old) == 1
    return USUAL.replace(old, new)


def plus(headers: bytes) -> bytes:
    """The usual handshake with more headers."""
    return USUAL[:-2] + headers + USUAL[-2:]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(sent, status, id=name)
        for name, sent, status in (
            ("POST", but(b"GET", b"POST"), 405),
            ("PUT", but(b"GET", b"PUT"), 405),
            ("two upgrades", plus(b"Upgrade: websocket\r\n"), 426),
            ("another upgrade", plus(b"Upgrade: h2c\r\n"), 426),
            ("no connection", but(b"Connection: Upgrade\r\n", b""), 426),
            ("an odd connection", plus(b'Connection: Upgrade, "\r\n'), 400),
            ("no key", but(KEY, b""), 400),
            ("two keys", plus(KEY), 400),
            ("a short key", but(b"dGhlIHNhbXBsZSBub25jZQ==", b"aGk="), 400),
            ("an odd key", but(b"dGhlIHNhbXBsZSBub25jZQ==", b"!" * 24), 400),
            ("odd protocols", plus(b"Sec-WebSocket-Protocol: ;;\r\n"), 400),
            ("a body", plus(b"Content-Length: 2\r\n") + b"hi", 400),
            ("parts", plus(b"Transfer-Encoding: chunked\r\n"), 400),
            ("a long address", but(b"4 H", b"4?" + b"x" * 9_000 + b" H"), 414),
            ("a long header", plus(b"X: " + b"x" * 66_000 + b"\r\n"), 431),
            ("many headers", plus(b"X: y\r\n" * 100), 431),
            ("a long id", but(b"4 H", b"4?_pk=" + b"x" * 3_000 + b" H"), 400),
            ("an odd room", but(b"room-4", b"room-%ff%zz%00"), 404),
            ("an odd header", plus(b"X\r\n"), 400),
            ("no host", but(b"Host: 127.0.0.1\r\n", b""), 400),
            ("HTTP of 1991", b"GET /\r\n\r\n", 400),
            ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        )
    ],
)
def test_what_is_no_handshake_is_refused(
    rooms: ServerProcess, sent: bytes, status: int
) -> None:
    assert rooms.raw(sent).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    "sent",
    [
        but(VERSION, b"Sec-WebSocket-Version: 12\r\n"),
        but(VERSION, b""),
        plus(VERSION),
    ],
    ids=["another", "none", "two"],
)
def test_another_version_is_told_which_one_is_spoken(
    rooms: ServerProcess, sent: bytes
) -> None:
    refusal = rooms.raw(sent)
    assert refusal.startswith(b"HTTP/1.1 426 ")
    assert b"\r\n" + VERSION in refusal


class Sleepy(Server):
    """A room that takes its time to start."""

    starts = threading.Event()
    ready = asyncio.Event()

    async def on_start(self) -> None:
        self.starts.set()
        await self.ready.wait()

    async def on_message(self, message: Frame, sender: Connection) -> None:
        sender.send(message)


@pytest.mark.parametrize(
    "sent",
    [b"\xff" * 10, frame(TEXT, b"\xff"), close_frame(1000), close_frame(1005)],
    ids=repr,
)
def test_nonsense_before_one_is_let_in_ends_its_own_socket_alone(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Sleepy, "starts", threading.Event())
    monkeypatch.setattr(Sleepy, "ready", asyncio.Event())
    with serve_parties(sleepy=Sleepy) as server, server.connected() as bare:
        bare.sendall(HANDSHAKE % b"/parties/sleepy/1")
        assert Sleepy.starts.wait(PATIENCE)
        bare.sendall(sent)
        assert read_all(bare) == b""
        server.call(Sleepy.ready.set)
        with server.join("1", "sleepy") as ada:
            ada.send("awake?")
            assert ada.socket.recv(PATIENCE) == "awake?"
