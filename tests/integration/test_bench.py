"""What measures the servers, and sees whether they do what they should."""

import socket
import subprocess
import sys
import zlib
from xml.etree import ElementTree

import pytest

from tools.bench.audience import Viewer
from tools.bench.crowd import Crowd
from tools.bench.door import Door
from tools.bench.measure import bench
from tools.bench.picture import picture
from tools.bench.replies import Replies, measure_replies
from tools.bench.results import Results, Scenario
from tools.bench.servers import PARTY_CHAT, RAW, STARLETTE, Server
from tools.bench.stream import Stream, Wrong
from tools.bench.table import fan_out, tables

from ..support.server_process import ROOT
from ..support.ws_frames import CLOSE, RSV1, TEXT, frame, server_frame

SMALL = Scenario("3 people, 4 at once", "hello-world", 3, 4)
HISTORY = server_frame(b'{"type":"history","messages":[]}')


def update(id: int) -> bytes:
    """A frame that tells about a message."""
    return server_frame(b'{"type":"update","message":{"id":"%d"}}' % id)


def reply(body: str) -> bytes:
    """A frame that tells about a reply so far."""
    return server_frame(
        b'{"type":"update","message":{"role":"assistant","body":"%s"}}'
        % body.encode()
    )


def small_bench(*servers: Server) -> Results:
    """One short round."""
    results = Results(servers, [SMALL])
    bench(results, 1, 0.1, 60, lambda progress: None)
    return results


def test_each_server_is_measured_and_shown() -> None:
    """Mutation: the picture or the table leaves the last server out."""
    results = small_bench(RAW, PARTY_CHAT, STARLETTE)

    assert results.deliveries >= 3 * 2 * 4
    assert results.ratio(PARTY_CHAT, SMALL) > 0
    shown = " ".join(ElementTree.fromstring(picture(results)).itertext())
    for server in results.servers:
        assert server.name in shown
        assert f"\n| {server.name} " in fan_out(results)


def test_a_server_that_forgets_somebody_is_found_out() -> None:
    """Mutation: `Running.blamed` lets it pass."""
    command = "uvicorn --port {port} tests.support.stubs.forgetful:app"

    with pytest.raises(Wrong, match=r"^forgetful: "):
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
def test_what_nobody_hears_rightly_is_wrong(frames: list[bytes]) -> None:
    """Mutation: `_check` takes any message."""
    with pytest.raises(Wrong):
        Stream().hear(0, b"".join(frames))


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
def test_what_one_reader_hears_wrongly_is_wrong(heard: bytes) -> None:
    """Mutation: only what a reader has beyond the others is compared."""
    stream = Stream()
    stream.hear(0, HISTORY + update(1) + update(2))

    with pytest.raises(Wrong):
        stream.hear(0, heard)


def test_readers_may_hear_it_in_pieces_of_any_size() -> None:
    """Mutation: a reader's place goes on by what the others have not."""
    told = HISTORY + b"".join(map(update, range(1, 5)))
    stream = Stream()

    places = [0, 0]
    while places != [len(told)] * 2:
        for reader, size in enumerate([7, 50]):
            at = places[reader]
            places[reader] = stream.hear(at, told[at : at + size])

    assert len(stream.ends) == 5


def test_what_is_compressed_is_read_as_well() -> None:
    """Mutation: the window starts afresh with each frame."""
    compressor = zlib.compressobj(wbits=-15)
    stream, place = Stream(), 0

    for each in (HISTORY, update(1), update(2)):
        data = compressor.compress(each[2:])
        data += compressor.flush(zlib.Z_SYNC_FLUSH)
        head = bytes([0x80 | RSV1 | TEXT, len(data) - 4])
        place = stream.hear(place, head + data[:-4])

    assert len(stream.ends) == 3


def test_what_comes_after_the_last_message_is_wrong() -> None:
    """Mutation: `settle` does not listen any more, or does not count."""
    far = []

    class Pipe(Door):
        def join(self) -> tuple[socket.socket, bytes]:
            near, end = socket.socketpair()
            far.append(end)
            return near, HISTORY

    crowd = Crowd(Pipe(0, "hello-world"), 2)
    far[1].sendall(update(1))

    with pytest.raises(Wrong):
        crowd.settle()
    crowd.leave()
    for end in far:
        end.close()


def test_a_reply_that_does_not_grow_is_wrong() -> None:
    """Mutation: a viewer takes any body."""
    viewer = Viewer()
    viewer.hear(0, reply("Once upon"))
    viewer.hear(len(viewer.data), reply("Once upon a time"))

    assert viewer.body == "Once upon a time"
    with pytest.raises(Wrong):
        viewer.hear(len(viewer.data), reply("Once upon"))


@pytest.mark.soak
def test_a_reply_is_measured_in_each_server_that_has_one() -> None:
    """Mutation: those who ask leave before the reply has come."""
    results, replies = small_bench(RAW), Replies()
    measure_replies(replies, 1, lambda progress: None)

    figures = tables(results, replies)
    for name, (size, used) in replies.rounds[0].items():
        assert size > 1
        assert used > 0
        assert f"\n| {name} " in figures


def test_attack_is_measured_while_people_chat() -> None:
    """The row of `tools.attacks`: others lose nothing, and wait for nothing."""
    command = [sys.executable, "-m", "tools.attacks", "pongs", "--fast", "1"]
    done = subprocess.run(
        [*command, "--seconds", "0.2"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    cells = [each.strip() for each in done.stdout.splitlines()[-1].split("|")]
    assert cells[1:3] == ["D3 pongs", "1"]
    assert all(len(cell.split(" / ")) == 3 for cell in cells[4:6])
    assert cells[6] == "nothing"
