"""Messages are shared between everybody in a room (stage 2 and later)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ..support.server_process import ServerProcess, Stage, start

pytestmark = pytest.mark.stages(2)


@pytest.fixture(scope="module")
def rooms(stage: Stage) -> Iterator[ServerProcess]:
    """One server for the tests that do not depend on earlier messages."""
    with start(stage, MAX_MESSAGES_PER_SECOND="1000") as running:
        yield running


@pytest.mark.behaviour(
    "Everybody else hears what is said, and its sender gets an ack"
)
def test_message_is_broadcast_to_everybody_else(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as bob:
        ada.wait_for("history")
        bob.wait_for("history")
        message = ada.say("hello")
        assert ada.next() == {"type": "ack", "id": message["id"], "seq": 0}
        assert bob.next() == {
            "type": "update",
            "message": {**message, "seq": 0},
        }
        # Ada gets no copy of her own message.
        bob.say("hello yourself", user="Bob")
        assert ada.next()["message"]["body"] == "hello yourself"


@pytest.mark.behaviour("A newcomer hears what was said")
def test_newcomer_gets_the_history(running: ServerProcess) -> None:
    with running.join() as ada:
        message = ada.say("hello")
        ada.wait_for("ack")
    with running.join() as bob:
        assert bob.next()["messages"] == [{**message, "seq": 0}]


@pytest.mark.behaviour("A room remembers, also when nobody is in it")
def test_history_outlives_the_last_connection(
    rooms: ServerProcess,
) -> None:
    epochs = set()
    said: list[str] = []
    for visit in range(3):
        with rooms.join("party-chat", pk="ada") as ada:
            history = ada.next()
            assert [each["id"] for each in history["messages"]] == said
            epochs.add(history["epoch"])
            said.append(ada.say(str(visit))["id"])
            ada.wait_for("ack")
    assert len(epochs) == 1


@pytest.mark.behaviour("What is said stays in its room")
def test_message_stays_in_its_room(rooms: ServerProcess) -> None:
    with rooms.join("hello-world") as ada, rooms.join("room-4") as bob:
        ada.wait_for("history")
        bob.wait_for("history")
        ada.say("in the first room")
        ada.wait_for("ack")
        bob.say("in the other", user="Bob")
        assert bob.next()["type"] == "ack"
    with rooms.join("room-4") as eve:
        said = [message["body"] for message in eve.next()["messages"]]
        assert "in the other" in said
        assert "in the first room" not in said


@pytest.mark.behaviour("Everybody hears the same, in the same order")
def test_messages_have_one_order_for_everybody(
    rooms: ServerProcess,
) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(4) as threads:
        guests = [stack.enter_context(rooms.join()) for _ in range(4)]
        for guest in guests:
            guest.wait_for("history")

        def talk(number: int) -> dict[int, str]:
            """Send 25 messages; return all bodies, by sequence number."""
            mine = [guests[number].say(f"{number}: {n}") for n in range(25)]
            bodies = {message["id"]: message["body"] for message in mine}
            heard: dict[int, str] = {}
            seqs: list[int] = []
            while len(heard) < 100:
                frame = guests[number].next()
                if frame["type"] == "ack":
                    heard[frame["seq"]] = bodies[frame["id"]]
                    seqs.append(frame["seq"])
                else:
                    message = frame["message"]
                    heard[message["seq"]] = message["body"]
                    seqs.append(message["seq"])
            assert seqs == sorted(seqs)
            return heard

        first, *others = threads.map(talk, range(4))
        with rooms.join() as late:
            history = late.next()["messages"]
    assert all(other == first for other in others)
    told = {message["seq"]: message["body"] for message in history}
    assert first.items() <= told.items()
    assert list(told) == sorted(told)


@pytest.mark.behaviour("A message that comes again is kept once")
def test_duplicate_message_is_stored_once(rooms: ServerProcess) -> None:
    """As after a lost ack; the next connection has another id."""
    with rooms.join() as bob:
        bob.wait_for("history")
        acks = []
        for _ in range(3):
            with rooms.join() as ada:
                ada.say("hello", id="a1")
                acks.append(ada.wait_for("ack"))
        seq = acks[0]["seq"]
        assert acks == [{"type": "ack", "id": "a1", "seq": seq}] * 3
        assert bob.next()["message"]["body"] == "hello"
        bob.say("is that all?", user="Bob")
        assert bob.next()["type"] == "ack"
    with rooms.join() as eve:
        ids = [message["id"] for message in eve.next()["messages"]]
        assert ids.count("a1") == 1


def test_restarted_server_has_a_new_epoch(
    serve: Callable[..., ServerProcess],
) -> None:
    running = serve()
    with running.join() as ada:
        before = ada.next()["epoch"]
        ada.say("hello")
        ada.wait_for("ack")
        running.kill()
        with pytest.raises(ConnectionClosed):
            ada.next()
    running.start()
    with running.join() as ada:
        history = ada.next()
        assert history["messages"] == []
        assert history["epoch"] != before
        # The page sends lost messages again.
        ada.say("hello")
        assert ada.next()["seq"] == 0


def test_chat_has_no_other_rooms(rooms: ServerProcess) -> None:
    for path in ("chatroom/nowhere", "chatroom/Hello-World", "nobody/x"):
        party, room = path.split("/")
        with pytest.raises(InvalidStatus) as refusal, rooms.join(room, party):
            pass
        assert refusal.value.response.status_code == 404
        assert rooms.get(f"/parties/{path}").status == 404


def test_client_may_fetch_no_more_pages_than_messages(stage: Stage) -> None:
    path = "/parties/chatroom/hello-world?before=1"
    with start(stage, MAX_MESSAGES_PER_SECOND="1") as running:
        answers = [running.get(path) for _ in range(20)]
        assert answers[0].json()["messages"] == []
        assert answers[-1].status == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert "At most 1 messages a second" in answers[-1].json()["error"]
