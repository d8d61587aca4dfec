"""The benchmark, and its checks that no message is lost."""

import socket
import zlib

import pytest

from tools.bench.crowd import Crowd
from tools.bench.measure import Results, Scenario, bench
from tools.bench.replies import ReplyChecker, ReplyResults, measure_replies
from tools.bench.report import fan_out, tables
from tools.bench.room_client import RoomClient
from tools.bench.servers import PARTY_CHAT, RAW, STARLETTE, Server
from tools.bench.stream_checker import DeliveryError, StreamChecker

from ..support.ws_frames import CLOSE, RSV1, TEXT, frame, server_frame

SMALL = Scenario("3 people, 4 at once", "hello-world", 3, 4)
HISTORY = server_frame(b'{"type":"history","messages":[]}')


def update(id: int) -> bytes:
    """Return the frame of a message."""
    return server_frame(b'{"type":"update","message":{"id":"%d"}}' % id)


def reply(body: str) -> bytes:
    """Return the frame of a reply so far."""
    return server_frame(
        b'{"type":"update","message":{"role":"assistant","body":"%s"}}'
        % body.encode()
    )


def small_bench(*servers: Server) -> Results:
    """Run one short round."""
    results = Results(servers, [SMALL])
    bench(results, 1, 0.1, 60, lambda progress: None)
    return results


def test_bench_measures_and_shows_each_server() -> None:
    results = small_bench(RAW, PARTY_CHAT, STARLETTE)

    assert results.deliveries >= 3 * 2 * 4
    assert results.cost(PARTY_CHAT, SMALL) > 0
    for server in results.servers:
        assert f"\n| {server.name} " in fan_out(results)


def test_bench_names_a_server_that_loses_a_message() -> None:
    command = "uvicorn --port {port} tests.support.stubs.forgetful:app"

    with pytest.raises(DeliveryError, match=r"^forgetful: "):
        small_bench(Server("forgetful", command))


@pytest.mark.parametrize(
    "frames",
    [
        [HISTORY, update(1), update(3)],
        [HISTORY, update(2), update(1)],
        [HISTORY, update(1), update(1)],
        [HISTORY, update(1), HISTORY],
        [update(1)],
        [HISTORY, frame(CLOSE, masked=False)],
    ],
    ids=["lost", "swapped", "twice", "history", "no-history", "closed"],
)
def test_stream_checker_refuses_a_wrong_stream(frames: list[bytes]) -> None:
    with pytest.raises(DeliveryError):
        StreamChecker().feed(0, b"".join(frames))


@pytest.mark.parametrize(
    "heard",
    [
        HISTORY + update(2),
        HISTORY + update(1) + update(3),
        HISTORY + update(2) + update(1),
        HISTORY + update(1) + update(1),
        HISTORY + update(1) + update(2) + update(2),
    ],
    ids=["lost", "lost-later", "swapped", "twice", "twice-at-the-end"],
)
def test_stream_checker_refuses_a_client_that_differs(heard: bytes) -> None:
    stream = StreamChecker()
    stream.feed(0, HISTORY + update(1) + update(2))

    with pytest.raises(DeliveryError):
        stream.feed(0, heard)


def test_stream_checker_takes_pieces_of_any_size() -> None:
    told = HISTORY + b"".join(map(update, range(1, 5)))
    stream = StreamChecker()

    positions = [0, 0]
    while positions != [len(told)] * 2:
        for reader, size in enumerate([7, 50]):
            at = positions[reader]
            positions[reader] = stream.feed(at, told[at : at + size])

    assert len(stream.ends) == 5


def test_stream_checker_inflates_frames() -> None:
    compressor = zlib.compressobj(wbits=-15)
    stream, position = StreamChecker(), 0

    for each in (HISTORY, update(1), update(2)):
        data = compressor.compress(each[2:])
        data += compressor.flush(zlib.Z_SYNC_FLUSH)
        head = bytes([0x80 | RSV1 | TEXT, len(data) - 4])
        position = stream.feed(position, head + data[:-4])

    assert len(stream.ends) == 3


def test_crowd_refuses_a_message_after_the_last() -> None:
    far = []

    class Pipe(RoomClient):
        def join(self) -> tuple[socket.socket, bytes]:
            near, end = socket.socketpair()
            far.append(end)
            return near, HISTORY

    crowd = Crowd(Pipe(0, "hello-world"), 2)
    far[1].sendall(update(1))

    with pytest.raises(DeliveryError):
        crowd.check_silence()
    crowd.close()
    for end in far:
        end.close()


def test_reply_checker_refuses_a_reply_that_does_not_grow() -> None:
    checker = ReplyChecker()
    checker.feed(0, reply("Once upon"))
    checker.feed(len(checker.data), reply("Once upon a time"))

    assert checker.body == "Once upon a time"
    with pytest.raises(DeliveryError):
        checker.feed(len(checker.data), reply("Once upon"))


@pytest.mark.soak
def test_bench_measures_a_reply() -> None:
    results, replies = small_bench(RAW), ReplyResults()
    measure_replies(replies, 1, lambda progress: None)

    figures = tables(results, replies)
    for name, (size, used) in replies.rounds[0].items():
        assert size > 1
        assert used > 0
        assert f"\n| {name} " in figures
