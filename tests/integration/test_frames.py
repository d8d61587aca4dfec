"""Frames that a room refuses, while nobody else notices (stage 2 and later).

Each test sends something wrong over a real socket; a second guest in the room
hears nothing of it, and what both say afterwards works.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed

from ..support.server_process import (
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)

pytestmark = pytest.mark.stages(2)

Pair = tuple[WebSocketClient, WebSocketClient]

ID = "A message needs an id: text of 1 to 64 characters."
NAME = "A message needs a name: text of 1 to 40 characters."
BODY = "A message needs a body: text of 1 to 4,000 characters."
ROLE = "People speak as role “user”; only the AI speaks as another."
TAKEN = "This name is taken: choose another one."
ALIKE = "This name looks like the AI’s: add a surname, for example."
CONTROL = "A name may have no line breaks or control characters."
NOT_JSON = "This is not JSON."
SURROGATE = "A message may not have half a character (a lone surrogate)."
TYPE = "This room takes frames of type “message”."
EMPTY = "A frame of type “message” needs a message."
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
    "frame",
    [
        "",
        "hello",
        "{",
        "{'type': 'message'}",
        "[" * 30_000,
        '{"message":' * 5_000,
        '{"type":' + "1" * 60_000 + "}",
        b"",
        b"\x00\x01\x02\x03",
        b"\xff\xfe\xfd",
        b"\x82\xa4type\xa7message",
    ],
    ids=repr,
)
def test_what_is_no_json_is_refused(pair: Pair, frame: str | bytes) -> None:
    is_refused(pair, frame, NOT_JSON)


@pytest.mark.parametrize(
    ("frame", "why", "id"),
    [
        ('{"type":"message","message":{"id":"m1","body":"x"}', NOT_JSON, "m1"),
        (b'{"message":{"id":"m1","body":"\xff"}}', NOT_JSON, "m1"),
        ('{"message":{"id":"m1","body":"\\ud800"}}', SURROGATE, "m1"),
        ('{"message":{"id":"\\ud800","body":"x"}}', SURROGATE, None),
        ('{"type":"text","message":{"id":"m1"}}', TYPE, "m1"),
        ('{"type":"message","id":"m1"}', EMPTY, "m1"),
        ('{"message":{"id":"m1","body":"' + "x" * 70_000, LARGE, "m1"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_refusal_names_its_message(
    pair: Pair, frame: str | bytes, why: str, id: str | None
) -> None:
    is_refused(pair, frame, why, id)


@pytest.mark.parametrize(
    "frame",
    [
        None,
        True,
        0,
        "message",
        [],
        ["message"],
        {},
        {"type": None},
        {"type": 1},
        {"type": ["message"]},
        {"type": "Message", "message": {}},
        {"type": "history", "messages": []},
        {"type": "update", "message": {"body": "x"}},
    ],
    ids=json.dumps,
)
def test_frames_of_another_type_are_refused(pair: Pair, frame: Any) -> None:
    is_refused(pair, json.dumps(frame), TYPE)


@pytest.mark.parametrize(
    "said", [{}, {"message": None}, {"message": "hello"}, {"message": [1]}]
)
def test_a_frame_without_a_message_is_refused(pair: Pair, said: Any) -> None:
    is_refused(pair, {"type": "message", **said}, EMPTY)


@pytest.mark.parametrize(
    "body",
    [
        ...,
        None,
        5,
        5.5,
        True,
        ["x"],
        {"text": "x"},
        "",
        " ",
        "\n\t",
        "\u200b\u2060\u3164\u2800\ufe0f",
        "x" * 4001,
    ],
    ids=lambda body: repr(body)[:20],
)
def test_a_body_that_is_no_text_is_refused(pair: Pair, body: Any) -> None:
    is_refused(pair, message(body=body), BODY, id="m1")


@pytest.mark.parametrize(
    "role", ["assistant", "system", "", "User", None, 1, ["user"]]
)
def test_people_cannot_speak_as_the_model_does(pair: Pair, role: Any) -> None:
    is_refused(pair, message(role=role), ROLE, id="m1")


@pytest.mark.parametrize(
    "name",
    [
        "AI",
        "ai",
        "aI",
        " AI ",
        "A I",
        "A\u00a0I",
        "\uff21\uff29",
        "A\u200bI",
        "\u202eAI\u202c",
        "AI\u00ad",
        "AI\ufe0f",
        "A\u034fI",
        "AI\u3164",
        "AI\u2028",
        "A.I.",
        "«AI»",
        "🤖 AI",
        "A\nI",
        "\U0001d400\U0001d408",
        "Assistant",
        "ASSISTANT",
        "assist\u00adant",
        "System",
    ],
    ids=ascii,
)
def test_nobody_else_has_the_ais_name(
    rooms: ServerProcess, pair: Pair, name: str
) -> None:
    is_refused(pair, message(user=name), TAKEN, id="m1")
    assert checked_name(rooms, name) == TAKEN


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, ALIKE) for name in ("Al", "al", "AL", "A1", "a|", "A\u0131")),
        *((name, ALIKE) for name in ("\u0410I", "A\u0406", "\u0391\u0399")),
        *(
            (name, ALIKE)
            for name in ("\ua4ee\ua4f2", "\u13aaI", "\u13aa\ua4f2")
        ),
        *(
            (name, ALIKE)
            for name in ("s\u0443stem", "ASSlSTANT", "\u0455ystem")
        ),
        *((name, ALIKE) for name in ("\U0001f170\U0001f178", "\u15c5l.")),
        *((f"Eve{each}x", CONTROL) for each in "\n\r\t\0\x1b\x85\u2028\u2029"),
    ],
    ids=ascii,
)
def test_name_that_could_mislead_is_refused(
    pair: Pair, name: str, why: str
) -> None:
    is_refused(pair, message(user=name), why, id="m1")


def test_names_of_people_are_accepted(pair: Pair) -> None:
    ada, _ = pair
    for name in (
        *("Ada", "Al Gore", "Ali", "Alice", "Ai Weiwei", "Iris", "Lil", "Å"),
        *(
            "李",
            "Иван",
            "Αλίκη",
            "יעל",
            "علي",
            "अली",
            "Zoë",
            "O’Neil",
            "👩‍👩‍👧",
        ),
    ):
        ada.say("hello", name)
        ada.until(f"an ack for {name}", lambda frame: frame["type"] == "ack")


@pytest.mark.parametrize(
    "name",
    [..., None, 1, [], "", " ", "\u200b", "\u3164\u2800", "\ufe0f", "x" * 41],
    ids=ascii,
)
def test_a_name_is_text_that_can_be_seen(
    rooms: ServerProcess, pair: Pair, name: Any
) -> None:
    is_refused(pair, message(user=name), NAME, id="m1")
    if isinstance(name, str):
        assert checked_name(rooms, name) == NAME
    assert checked_name(rooms, "Ada") == ""


def checked_name(rooms: ServerProcess, name: str) -> str:
    """Return the answer to a page about a name at sign-in."""
    return rooms.get(f"/name?{urlencode({'name': name})}").text


@pytest.mark.parametrize(
    ("id", "told"),
    [(..., None), (None, None), (7, None), ("", ""), ("x" * 65, "x" * 65)],
    ids=lambda each: repr(each)[:10],
)
def test_a_message_needs_an_id(pair: Pair, id: Any, told: str | None) -> None:
    is_refused(pair, message(id=id), ID, id=told)


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


@pytest.mark.parametrize(
    "body",
    [
        "🐬",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "שלום \u202eevil\u202c",
        "before\0after",
        "e\u0301\u0301\u0301",
        "line one\nline two\r\n",
        "<script>alert(1)</script>",
        "x" * 4_000,
        "🐬" * 4_000,
        '"\\\b\f\x7f',
    ],
    ids=lambda body: ascii(body)[:20],
)
def test_any_text_arrives_as_it_was_sent(pair: Pair, body: str) -> None:
    ada, bob = pair
    said = ada.say(body, user="Zoë 🐬")
    assert bob.next()["message"]["body"] == body
    assert ada.next()["id"] == said["id"]


@pytest.mark.parametrize("size", [65_537, 100_000, 1_000_000, 2_000_000])
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_frame_over_64_kib_is_refused(
    pair: Pair, size: int, kind: type
) -> None:
    text = json.dumps(message(padding="x" * size))[-size:]
    is_refused(pair, text if kind is str else text.encode(), LARGE)


def test_a_frame_in_many_small_parts_is_as_large(pair: Pair) -> None:
    parts = ["x" * 1_000] * 66
    ada, bob = pair
    ada.socket.send(parts)
    assert ada.next() == {"type": "error", "message": LARGE}
    notices_nothing(bob, ada)


def test_a_frame_of_3_mb_ends_its_own_socket_alone(
    rooms: ServerProcess, pair: Pair
) -> None:
    def send_too_much(eve: WebSocketClient) -> None:
        eve.send("x" * 3_000_000)
        while True:
            assert eve.next()["type"] == "history"

    joined = rooms.join("room-4", compression=None)
    with joined as eve, pytest.raises(ConnectionClosed):
        send_too_much(eve)
    notices_nothing(*pair)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x82\0\0\0\0\xff\xfe", b"\x03\xef"),  # text, not UTF-8: 1007
        (b"\x81\x83\0\0\0\0\xed\xa0\x80", b"\x03\xef"),  # half an emoji
        (b"\x83\x80\0\0\0\0", b"\x03\xea"),  # no such opcode: 1002
        (b"\x81\x02hi", b"\x03\xea"),  # not masked
        (b"\x80\x82\0\0\0\0hi", b"\x03\xea"),  # goes on, but nothing began
        (b"\xc1\x82\0\0\0\0hi", b"\x03\xea"),  # compressed, as not agreed
        (b"\x81\xff" + (3_000_000).to_bytes(8) + b"\0\0\0\0", b"\x03\xf1"),
        (b"\x82\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0", b"\x03\xf1"),  # 8 EiB
    ],
    ids=repr,
)
def test_what_is_no_frame_ends_its_own_socket_alone(
    rooms: ServerProcess, pair: Pair, sent: bytes, code: bytes
) -> None:
    with rooms.stalled("/parties/chatroom/on-page-help") as bare:
        bare.sendall(sent)
        heard = b""
        while some := bare.recv(65_536):
            heard += some
    assert code in heard[-80:]
    notices_nothing(*pair)
