"""BatchingProtocol, byte by byte: as uvicorn's protocol, in fewer writes."""

import asyncio
import gc
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from uvicorn.server import ServerState
from websockets.server import ServerProtocol

from shared.party import Connection, Frame, Server
from shared.party.transport.batching_protocol import BatchingProtocol
from shared.party.transport.bounded_protocol import BoundedProtocol
from shared.party.transport.deflate import DEFLATE_FACTORY
from shared.party.transport.handshake import FastHandshakeHTTP, parse_handshake
from shared.party.transport.http_protocol import BoundedHTTP

from ..support.party_server import (
    HIGH_LIMITS,
    TestServer,
    serve_parties,
    use_fast_transport,
)
from ..support.server_process import HANDSHAKE, PATIENCE, ServerProcess
from ..support.ws_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RSV1,
    TEXT,
    close_frame,
    frame,
    mask_payload,
    parse_frames,
    read_all,
)

OFFER = b"Sec-WebSocket-Extensions: %s\r\n\r\n"
ROOM = HANDSHAKE % b"/parties/radio/1"


class Transport(asyncio.Transport):
    """A transport that keeps the bytes written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.socket = socket.socket()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default

    def set_protocol(self, protocol: Any) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


async def accept(scope: Any, receive: Any, send: Any) -> None:
    """An app that accepts every connection, and waits."""
    await receive()
    await send({"type": "websocket.accept"})
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


P = TypeVar("P", bound=WebSocketsSansIOProtocol)


async def accepted(kind: type[P]) -> tuple[P, Transport]:
    """Return an open connection, and its transport."""
    config = uvicorn.Config(accept, ws_max_size=200_000, log_config=None)
    config.load()
    protocol, transport = kind(config, ServerState(), {}), Transport()
    protocol.conn.available_extensions = [DEFLATE_FACTORY]
    protocol.connection_made(transport)
    handshake = ROOM[:-2] + OFFER % b"permessage-deflate"
    if isinstance(protocol, BoundedProtocol):
        request = parse_handshake(handshake)
        assert request
        protocol.accept_handshake(request)
    else:
        protocol.data_received(handshake)
    for _ in range(3):
        await asyncio.sleep(0)
    assert protocol.handshake_complete
    transport.written = b""
    return protocol, transport


async def leave(
    protocol: WebSocketsSansIOProtocol, transport: Transport
) -> None:
    """Release all that belongs to a connection."""
    cancelled = [task.cancel() for task in protocol.tasks]
    if isinstance(protocol, BatchingProtocol):
        protocol.stop_reading()
    await asyncio.sleep(0)
    transport.socket.close()
    assert cancelled


async def outcome(
    kind: type[WebSocketsSansIOProtocol], *chunks: bytes
) -> tuple[list[Any], list[tuple[int, bytes]]]:
    """Return what an app receives, and the answer, for those bytes.

    Of what is answered, the reason for an end is left out.
    """
    (protocol, transport), heard = await accepted(kind), list[Any]()

    def hear(message: Any, unpack: Any = None) -> None:
        message = unpack(message, protocol.max_size) if unpack else message
        if message is not None:
            heard.append(message)

    if isinstance(protocol, BatchingProtocol):
        protocol.on_frame = hear
    for chunk in chunks:
        if not transport.closing:
            protocol.data_received(chunk)
        for _ in range(10):  # a long frame alone may take an iteration
            await asyncio.sleep(0)
        while not protocol.queue.empty():
            event: Any = protocol.queue.get_nowait()
            end = event["type"], event.get("code")
            heard.append(event.get("text", event.get("bytes", end)))
    await leave(protocol, transport)
    # Frames that come with the end may be delivered with it, or dropped.
    ends = [at for at, each in enumerate(heard) if isinstance(each, tuple)]
    answers, rest = parse_frames(transport.written)
    assert rest == b""
    return heard[: ends[0] + 1 if ends else None], [
        (kind, payload[:2] if kind == CLOSE else payload)
        for kind, payload in answers
    ]


class Sent(bytes):
    """Bytes whose repr is short, for failing examples."""

    def __repr__(self) -> str:
        return f"{self[:20]!s}… ({len(self)})"


SIZES = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535])
TEXTS = st.one_of(
    SIZES.map(lambda size: b"x" * size),
    st.text(max_size=40).map(str.encode),
)


def deflated(data: bytes) -> bytes:
    """Return data as a client compresses it."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\x00\x00\xff\xff")


KINDS = st.sampled_from([TEXT, BINARY])
DATA = st.one_of(
    st.builds(frame, KINDS, TEXTS),
    st.builds(frame, KINDS, TEXTS.map(deflated), reserved=st.just(4)),
)
FRAMES = st.one_of(
    DATA,
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=5)),
)
BEGIN_COMPRESSED = RSV1 | TEXT, RSV1 | BINARY
"""First bytes of a message in several compressed frames.

uvicorn inflates each frame at once, and so finds invalid data before the
message is complete.
"""

ODD = st.one_of(
    st.builds(
        frame,
        st.sampled_from([0, TEXT, BINARY, 3, CLOSE, PING, PONG, 11]),
        TEXTS | st.binary(max_size=20),
        fin=st.booleans(),
        reserved=st.sampled_from([0, 0, 0, 1, 4]),
        masked=st.sampled_from([True, True, False]),
    ).filter(lambda data: data[0] not in BEGIN_COMPRESSED),
    st.builds(
        frame,
        KINDS,
        TEXTS.map(deflated),
        fin=st.just(False),
        reserved=st.just(4),
    ),
    st.just(frame(TEXT, deflated(b"x" * 150_000), reserved=4)),
    st.just(frame(TEXT, b"[]", size=b"\xfe\x00\x02")),
    st.just(frame(TEXT, b"[]", size=b"\xff" + (2).to_bytes(8))),
    st.just(frame(BINARY, b"x" * 65_536)),
    st.just(close_frame(1000)),
)


WITHIN = b"abcd" + frame(BINARY, b"a frame, it seems")


@example([], [frame(TEXT, b"a", fin=False)], [frame(TEXT, b"b")], None)
@example([], [frame(BINARY, b"a", fin=False)], [frame(BINARY, b"b")], None)
@example([frame(BINARY, mask_payload(WITHIN)[4:])], [], [], [10])
@example([frame(BINARY, b"x" * 124, size=b"\xfe\x00\x7c")], [], [], None)
@example([], [frame(BINARY, b"\xff", reserved=4)], [], None)
@settings(max_examples=100, deadline=None)
@given(
    st.lists(FRAMES.map(Sent), max_size=6),
    st.lists(ODD.map(Sent), max_size=1),
    st.lists(DATA.map(Sent), max_size=3),
    st.none() | st.lists(st.integers(1, 200), max_size=12),
)
def test_protocol_parses_frames_as_uvicorn_does(
    before: list[bytes],
    odd: list[bytes],
    after: list[bytes],
    cuts: list[int] | None,
) -> None:
    """However the bytes are split."""
    sent = [*before, *odd, *after]
    chunks = sent if cuts is None else []
    rest = b"".join(sent[len(chunks) :])
    for cut in cuts or []:
        chunks.append(rest[:cut])
        rest = rest[cut:]

    async def test() -> None:
        ours = await outcome(BatchingProtocol, *chunks, rest)
        assert ours == await outcome(WebSocketsSansIOProtocol, *sent)

    asyncio.run(test())


@pytest.mark.parametrize("kind", [TEXT, BINARY])
async def test_protocol_keeps_the_order_behind_the_queue_of_the_app(
    kind: int,
) -> None:
    protocol, transport = await accepted(BatchingProtocol)
    protocol.data_received(frame(kind, b"1"))
    heard: list[Frame] = []
    protocol.on_frame = heard.append
    protocol.data_received(frame(kind, b"2"))
    assert (heard, protocol.queue.qsize()) == ([], 2)
    await leave(protocol, transport)


LINES = [
    b"Host: 127.0.0.1",
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
MORE = [
    b"Host: elsewhere",
    b"Upgrade: h2c",
    b"Connection: close",
    b"Content-Length: 2",
    b"Transfer-Encoding: chunked",
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits",
    b"Sec-WebSocket-Protocol: a, b",
    b"Origin:\t http://127.0.0.1 \t",
    b"Cookie: a=b; c=\xe9",
    b"Cookie : a",
    b"Cookie:",
    b" folded: a",
    b"No line",
    b"X: \x00",
    b"X: " + b"x" * 5_000,
]
PATHS = [
    b"/parties/radio/%2F?_pk=a%20b",
    b"/",
    b"/#a",
    b"*",
    b"/\xe9",
    b"//x y",
]
ENDS = [b"\r\n\r\n", b"\r\n\r\n\x89\x00", b"\n\n", b"\r\n", b""]


async def arrival(kind: type[BoundedHTTP], said: bytes) -> list[Any]:
    """Return the app's scope and the answer, for those bytes."""
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.append({**scope, "extensions": sorted(scope["extensions"])})
        await accept(scope, receive, send)

    config = uvicorn.Config(app, ws=BatchingProtocol, log_config=None)
    config.load()
    state, transport = ServerState(), Transport()
    http = kind(config, state, {})
    http.connection_made(transport)
    http.data_received(said)
    for _ in range(3):
        await asyncio.sleep(0)
    for task in state.tasks:
        task.cancel()
    await asyncio.sleep(0)
    transport.socket.close()
    answer = re.sub(rb"(?i)date: .*", b"", transport.written)
    return [*told, answer, transport.closing]


def mostly(usual: bytes, *others: bytes) -> st.SearchStrategy[bytes]:
    """Draw the usual value in most examples."""
    return st.sampled_from([usual] * 3 * len(others) + [*others])


@settings(max_examples=200, deadline=None)
@given(
    mostly(b"GET", b"POST", b"get"),
    mostly(*PATHS),
    mostly(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2"),
    st.sets(st.sampled_from(LINES), max_size=1),
    st.lists(st.sampled_from(MORE + LINES), max_size=2),
    st.sampled_from([bytes, bytes.upper, bytes.lower]),
    mostly(*ENDS),
)
@example(b"GET", b"/", b"HTTP/1.1", {LINES[1]}, [MORE[1]], bytes, ENDS[0])
def test_handshake_is_answered_as_uvicorn_does(
    method: bytes,
    path: bytes,
    version: bytes,
    without: set[bytes],
    more: list[bytes],
    spell: Callable[[bytes], bytes],
    end: bytes,
) -> None:
    lines = [spell(line) for line in LINES if line not in without] + more
    said = b"\r\n".join([b" ".join([method, path, version]), *lines]) + end

    async def test() -> None:
        assert await arrival(FastHandshakeHTTP, said) == await arrival(
            BoundedHTTP, said
        )

    asyncio.run(test())


def test_handshake_is_parsed_directly() -> None:
    """Otherwise every handshake would go to the HTTP parser."""
    assert parse_handshake(ROOM)
    assert not parse_handshake(ROOM + b"x")


class Radio(Server):
    """Broadcasts sixteen messages to all but the sender, who gets others."""

    async def on_message(self, message: Frame, sender: Connection) -> None:
        if message == "first":
            sender.send("end")
            self.room.broadcast("news", without=[sender.id])
            return
        for number in range(16):
            self.room.broadcast(f"{number}", without=[sender.id])
            sender.send(f"ack {number}")
        self.room.broadcast("end")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestServer]:
    """A server with a radio, with the fast transport."""
    use_fast_transport(monkeypatch)
    with serve_parties(radio=Radio, bounds=HIGH_LIMITS) as server:
        yield server


class Recorder:
    """A transport that records the bytes written to it."""

    def __init__(self, transport: Any, writes: list[bytes]) -> None:
        self.transport = transport
        self.writes = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.transport.write(data)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """Return the writes to each connection, by its id."""
    writes: dict[str, list[bytes]] = {}
    attach = BatchingProtocol.attach

    def record(self: Any, reader: Connection, limiter: Any) -> None:
        attach(self, reader, limiter)
        writes[reader.id] = []
        self.transport = Recorder(self.transport, writes[reader.id])

    monkeypatch.setattr(BatchingProtocol, "attach", record)
    return writes


def test_frames_of_one_iteration_are_one_write(
    server: TestServer, writes: dict[str, list[bytes]]
) -> None:
    with (
        server.join("1", "radio", pk="ada") as ada,
        server.join("1", "radio", pk="bob") as bob,
    ):
        ada.send("go")
        for number in range(16):
            assert ada.socket.recv(PATIENCE) == f"ack {number}"
            assert bob.socket.recv(PATIENCE) == f"{number}"
        assert ada.socket.recv(PATIENCE) == bob.socket.recv(PATIENCE) == "end"
        assert [len(each) for each in writes.values()] == [1, 1]
    numbers = b"".join(
        bytes((0x81, len(str(n)))) + b"%d" % n for n in range(16)
    )
    assert writes["bob"][0] == numbers + b"\x81\x03end"


@pytest.mark.parametrize("when", ["amid a turn", "before it"])
def test_lost_connection_takes_no_frame_from_others(
    server: TestServer, when: str
) -> None:
    """The app learns of the end only later."""

    def speak() -> None:
        room = server.parties.room("radio", "1")
        assert room
        protocol, soon = (
            room.connections_by_id["bob"]._direct,
            room_loop().call_soon,
        )
        if when == "amid a turn":
            # It is lost after the broadcast, and before the batch is written.
            soon(protocol.transport.abort)
        else:
            protocol.transport.abort()
        soon(room.broadcast, "news")

    room_loop = asyncio.get_running_loop
    with (
        server.join("1", "radio", pk="bob"),
        server.join("1", "radio", pk="ada") as ada,
    ):
        server.call(speak)
        assert ada.socket.recv(PATIENCE) == "news"


def test_batch_is_written_after_64_kib(
    server: TestServer, writes: dict[str, list[bytes]]
) -> None:
    """Otherwise its memory would have no limit."""

    def speak() -> None:
        room = server.parties.room("radio", "1")
        assert room
        for _ in range(30):
            room.broadcast(b"x" * 10_000)

    with server.join("1", "radio", pk="ada", compression=None) as ada:
        server.call(speak)
        for _ in range(30):
            assert len(ada.socket.recv(PATIENCE)) == 10_000
    assert max(map(len, writes["ada"])) < 80_000


def test_deflate_sends_only_the_new_part_of_a_reply(
    server: TestServer, writes: dict[str, list[bytes]]
) -> None:
    words = [f"word{n * n}" for n in range(150)]

    def room() -> Any:
        return server.parties.room("radio", "1")

    with (
        server.join("1", "radio", pk="ada", compression=None) as ada,
        server.join("1", "radio", pk="bob") as bob,
    ):
        for number in range(150):
            said = " ".join(words[:number])
            server.call(room().broadcast, said)
            assert (
                ada.socket.recv(PATIENCE) == bob.socket.recv(PATIENCE) == said
            )
        spent = {id: sum(map(len, each)) for id, each in writes.items()}
        assert spent["bob"] < spent["ada"] / 10
        compressor = room()._deliver.__self__.compressor
        assert compressor() is not None
    while room().connections_by_id:
        server.call(int)
    assert compressor() is None


def test_deflate_resumes_after_a_missed_frame(
    server: TestServer, writes: dict[str, list[bytes]]
) -> None:
    """Also when a small frame comes before."""

    def speak(*said: str) -> None:
        room = server.parties.room("radio", "1")
        assert room
        for each in said:
            if each == "busy":
                room.connections_by_id["bob"]._wake_writer()
            else:
                room.broadcast(each)

    with server.join("1", "radio", pk="bob") as bob:
        for said in (["x" * 400], ["busy", "y" * 400], ["small"], ["z" * 400]):
            server.call(speak, *said)
            assert bob.socket.recv(PATIENCE) == said[-1]
        kinds = [each[0] for each in writes["bob"]]
    assert kinds == [TEXT | 0xC0, TEXT | 0x80, TEXT | 0x80, TEXT | 0xC0]


TYPES_TO_FREE = BatchingProtocol, ServerProtocol, Connection


def test_closed_connection_leaves_no_cycle(server: TestServer) -> None:
    """It is freed at once, since the garbage collector runs rarely."""
    gc.collect()
    gc.disable()
    try:
        with server.join("2", "radio") as guest:
            guest.send("first")
            assert guest.socket.recv(PATIENCE) == "end"
        for kind in (None, "deflate"):
            with server.join("1", "radio", compression=kind) as guest:
                guest.send("go")
                while guest.socket.recv(PATIENCE) != "end":
                    pass
                room = server.parties.room("radio", "1")
                assert room
                server.call(room.broadcast, "bye")
                assert guest.socket.recv(PATIENCE) == "bye"
                del room
        with server.stalled("/parties/radio/1") as bare:
            bare.sendall(frame(3, b"makes no sense"))
            read_all(bare)
        with server.stalled("/parties/radio/1"):
            room = server.parties.room("radio", "1")
            assert room
            for _ in range(2):
                server.call(room.broadcast, b"x" * 200_000)
            del room
        while server.call(len, server.server_state.tasks):
            pass
        server.call(int)
        left = [o for o in gc.get_objects() if type(o) in TYPES_TO_FREE]
        assert left == []
    finally:
        gc.enable()


OFFERS = {
    "permessage-deflate": True,
    "permessage-deflate; client_max_window_bits": True,
    "permessage-deflate; client_max_window_bits=10": True,
    "permessage-deflate; client_no_context_takeover": True,
    "permessage-deflate; server_max_window_bits, permessage-deflate": True,
    "permessage-deflate; server_max_window_bits=15": False,
    "permessage-deflate; server_no_context_takeover": False,
    "permessage-deflate; client_max_window_bits=16": False,
    "permessage-deflate; client_no_context_takeover=1": False,
    "permessage-deflate" + 2 * "; client_max_window_bits": False,
    "permessage-inflate": False,
}


def test_deflate_declines_an_offer_that_limits_the_window(
    server: TestServer,
) -> None:
    """RFC 7692, 7.1."""
    for offer, agreed in OFFERS.items():
        answer = server.raw(ROOM[:-2] + OFFER % offer.encode())
        assert answer.startswith(b"HTTP/1.1 101 ")
        taken = (
            b": permessage-deflate; client_no_context_takeover\r\n" in answer
        )
        assert taken == agreed, offer
        assert (b"permessage" in answer) == agreed, offer


@pytest.mark.stages(2)
@pytest.mark.parametrize("fast", ["1", "0"])
def test_fast_transport_can_be_turned_off(serve: Any, fast: str) -> None:
    running: ServerProcess = serve(FAST_TRANSPORT=fast)
    with running.join() as ada:
        assert ada.socket.response
        taken = "Sec-WebSocket-Extensions" in ada.socket.response.headers
        assert taken is (fast == "1")
        ada.say("hello")
        ada.wait_for("ack")
