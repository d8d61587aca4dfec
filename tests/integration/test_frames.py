"""Frames that a room refuses, while nobody else notices (stage 2 and later).

Each test sends something wrong over a real socket; a second guest in the room
hears nothing of it, and what both say afterwards works.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ..support.server_process import (
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)

pytestmark = pytest.mark.stages(2)

Pair = tuple[WebSocketClient, WebSocketClient]

NAME = "A message needs a name: text of 1 to 40 characters."
BODY = "A message needs a body: text of 1 to 4,000 characters."
ROLE = "People speak as role “user”; only the AI speaks as another."
TAKEN = "This name is taken: choose another one."
NOT_JSON = "This is not JSON."
TYPE = "This room takes frames of type “message”."
LARGE = "A frame may have 65,536 bytes at most."
ID_IS_STORED = "Another message has this id already."


@pytest.fixture(scope="module")
def rooms(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all tests of this file; it must print no traceback."""
    with start(stage, MAX_MESSAGES_PER_SECOND="1000") as running:
        yield running


@pytest.fixture
def pair(rooms: ServerProcess) -> Iterator[Pair]:
    """Two guests in a room."""
    with rooms.join("room-4") as ada, rooms.join("room-4") as bob:
        ada.wait_for("history")
        bob.wait_for("history")
        yield ada, bob


def message(**changes: Any) -> dict[str, Any]:
    """A frame with a message that has something else in it."""
    usual = {"id": "m1", "user": "Ada", "body": "hello", "role": "user"}
    changed = {**usual, **changes}
    kept = {key: each for key, each in changed.items() if each is not ...}
    return {"type": "message", "message": kept}


def notices_nothing(bob: WebSocketClient, ada: WebSocketClient) -> None:
    """Check that the next thing each hears is what the other says now."""
    said = ada.say("does it still work?")
    assert ada.next()["id"] == said["id"]
    heard = bob.next()
    assert (heard["type"], heard["message"]["id"]) == ("update", said["id"])
    answer = bob.say("it does", user="Bob")
    assert ada.next()["message"]["id"] == answer["id"]
    assert bob.next()["type"] == "ack"


def is_refused(pair: Pair, frame: Any, why: str, id: str | None = None) -> None:
    """Check that a frame gets an error frame, and nobody else notices."""
    ada, bob = pair
    ada.send(frame)
    error = {"type": "error", "message": why}
    assert ada.next() == (error if id is None else {**error, "id": id})
    notices_nothing(bob, ada)


@pytest.mark.behaviour(
    "What makes no sense is refused in words, and disturbs nobody"
)
@pytest.mark.parametrize(
    ("frame", "why", "id"),
    [
        ("hello", NOT_JSON, None),
        (b"\xff\xfe\xfd", NOT_JSON, None),
        ('{"type":"message","message":{"id":"m1"', NOT_JSON, "m1"),
        ('{"type":"text","message":{"id":"m1"}}', TYPE, "m1"),
        (message(body=5), BODY, "m1"),
        (message(role="assistant"), ROLE, "m1"),
        (message(user="AI"), TAKEN, "m1"),
        ('{"message":{"id":"m1","body":"' + "x" * 70_000, LARGE, "m1"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_invalid_frame_is_refused_and_disturbs_nobody(
    pair: Pair, frame: Any, why: str, id: str | None
) -> None:
    """`tests/unit/chat/test_parsing.py` has all kinds of them."""
    is_refused(pair, frame, why, id)


def test_name_is_checked_at_sign_in(rooms: ServerProcess) -> None:
    for name, why in ("A I", TAKEN), ("\u200b", NAME), ("Ada", ""):
        assert rooms.get(f"/name?{urlencode({'name': name})}").text == why


def test_what_a_page_claims_beside_is_ignored(pair: Pair) -> None:
    ada, bob = pair
    frame = message(id="claims", seq=7_000, status="thinking", extra=[1])
    ada.send({**frame, "from": "the server"})
    seq = ada.wait_for("ack")["seq"]
    assert 0 <= seq < 7_000
    assert bob.next()["message"] == {
        "id": "claims",
        "user": "Ada",
        "body": "hello",
        "role": "user",
        "seq": seq,
    }


def test_the_id_of_another_message_is_refused(pair: Pair) -> None:
    ada, bob = pair
    first = ada.say("mine")
    assert bob.hear("mine")
    assert ada.next()["type"] == "ack"
    id = first["id"]
    for other in (
        message(id=id, user="Bob", body="mine"),
        message(id=id, user="Ada", body="not mine"),
    ):
        bob.send(other)
        assert bob.next() == {
            "type": "error",
            "message": ID_IS_STORED,
            "id": id,
        }
    notices_nothing(ada, bob)


def test_the_history_holds_nothing_that_was_refused(
    rooms: ServerProcess, pair: Pair
) -> None:
    is_refused(pair, message(id="refused", body=5), BODY, id="refused")
    is_refused(pair, message(id="refused", role="system"), ROLE, id="refused")
    with rooms.join("room-4") as eve:
        said = eve.next()["messages"]
    assert said
    assert {each["role"] for each in said} == {"user"}
    assert "refused" not in {each["id"] for each in said}
    assert all(isinstance(each["body"], str) for each in said)


def test_any_text_arrives_as_it_was_sent(pair: Pair) -> None:
    ada, bob = pair
    for body in (
        *("🐬", "👩‍👩‍👧‍👦🏳️‍🌈", "שלום \u202eevil\u202c", "before\0after"),
        *("e\u0301\u0301\u0301", "line one\nline two\r\n"),
        *("<script>alert(1)</script>", "x" * 4_000, "🐬" * 4_000),
        '"\\\b\f\x7f',
    ):
        said = ada.say(body, user="Zoë 🐬")
        assert bob.next()["message"]["body"] == body
        assert ada.next()["id"] == said["id"]
