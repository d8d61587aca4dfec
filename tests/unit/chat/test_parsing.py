"""parse_message: each invalid frame is rejected in words, with its id."""

import json
from typing import Any

import pytest

from shared.chat.parsing import parse_message
from shared.party import Frame, MessageRejected

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


def message(**changes: Any) -> str:
    """Return a frame with a message that has something else in it."""
    usual = {"id": "m1", "user": "Ada", "body": "hello", "role": "user"}
    changed = {**usual, **changes}
    kept = {key: each for key, each in changed.items() if each is not ...}
    return json.dumps({"type": "message", "message": kept})


def rejection(frame: Frame) -> tuple[str, str | None]:
    """Parse an invalid frame; return the words and the id of the error."""
    with pytest.raises(MessageRejected) as rejected:
        parse_message(frame)
    error = rejected.value.frame
    assert error["type"] == "error"
    return error["message"], error.get("id")


@pytest.mark.parametrize(
    "frame",
    [
        *("", "hello", "{", "{'type': 'message'}", "[" * 30_000),
        *('{"message":' * 5_000, '{"type":' + "1" * 60_000 + "}"),
        *(b"", b"\x00\x01\x02\x03", b"\xff\xfe\xfd"),
        b"\x82\xa4type\xa7message",
    ],
    ids=lambda frame: repr(frame)[:20],
)
def test_parse_message_rejects_invalid_json(frame: Frame) -> None:
    assert rejection(frame) == (NOT_JSON, None)


@pytest.mark.parametrize(
    ("frame", "why", "id"),
    [
        ('{"type":"message","message":{"id":"m1","body":"x"}', NOT_JSON, "m1"),
        (b'{"message":{"id":"m1","body":"\xff"}}', NOT_JSON, "m1"),
        ('{"message":{"id":"m1","body":"\\ud800"}}', SURROGATE, "m1"),
        ('{"message":{"id":"\\ud800","body":"x"}}', SURROGATE, None),
        ('{"type":"text","message":{"id":"m1"}}', TYPE, "m1"),
        ('{"type":"message","id":"m1"}', EMPTY, "m1"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_parse_message_names_the_id_of_an_invalid_frame(
    frame: Frame, why: str, id: str | None
) -> None:
    assert rejection(frame) == (why, id)


@pytest.mark.parametrize(
    "frame",
    [
        *(None, True, 0, "message", [], ["message"], {}),
        *({"type": None}, {"type": 1}, {"type": ["message"]}),
        {"type": "Message", "message": {}},
        {"type": "history", "messages": []},
        {"type": "update", "message": {"body": "x"}},
    ],
    ids=json.dumps,
)
def test_parse_message_rejects_frames_of_another_type(frame: Any) -> None:
    assert rejection(json.dumps(frame)) == (TYPE, None)


@pytest.mark.parametrize(
    "said", [{}, {"message": None}, {"message": "hello"}, {"message": [1]}]
)
def test_parse_message_rejects_a_frame_without_a_message(said: Any) -> None:
    assert rejection(json.dumps({"type": "message", **said})) == (EMPTY, None)


FIELDS: list[tuple[str, list[Any], str]] = [
    ("body", [..., None, 5, 5.5, True, ["x"], {"text": "x"}, "", " "], BODY),
    ("body", ["\n\t", "\u200b\u2060\u3164\u2800\ufe0f", "x" * 4001], BODY),
    ("role", ["assistant", "system", "", "User", None, 1, ["user"]], ROLE),
    ("user", [..., None, 1, [], "", " ", "\u200b"], NAME),
    ("user", ["\u3164\u2800", "\ufe0f", "x" * 41], NAME),
    ("user", ["AI", "ai", "aI", " AI ", "A I", "A\u00a0I"], TAKEN),
    ("user", ["\uff21\uff29", "A\u200bI", "\u202eAI\u202c"], TAKEN),
    ("user", ["AI\u00ad", "AI\ufe0f", "A\u034fI", "AI\u3164"], TAKEN),
    ("user", ["AI\u2028", "A.I.", "«AI»", "🤖 AI", "A\nI"], TAKEN),
    ("user", ["\U0001d400\U0001d408", "Assistant", "ASSISTANT"], TAKEN),
    ("user", ["assist\u00adant", "System"], TAKEN),
    ("user", ["Al", "al", "AL", "A1", "a|", "A\u0131"], ALIKE),
    ("user", ["\u0410I", "A\u0406", "\u0391\u0399", "\ua4ee\ua4f2"], ALIKE),
    ("user", ["\u13aaI", "\u13aa\ua4f2", "s\u0443stem"], ALIKE),
    ("user", ["ASSlSTANT", "\u0455ystem", "\U0001f170\U0001f178"], ALIKE),
    ("user", ["\u15c5l."], ALIKE),
    ("user", [f"Eve{each}x" for each in "\n\r\t\0\x1b\x85\u2028"], CONTROL),
    ("user", ["Eve\u2029x"], CONTROL),
]


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [(name, value, why) for name, values, why in FIELDS for value in values],
    ids=lambda value: ascii(value)[:20],
)
def test_parse_message_rejects_invalid_fields(
    field: str, value: Any, why: str
) -> None:
    assert rejection(message(**{field: value})) == (why, "m1")


@pytest.mark.parametrize(
    ("id", "told"),
    [(..., None), (None, None), (7, None), ("", ""), ("x" * 65, "x" * 65)],
    ids=lambda each: repr(each)[:10],
)
def test_parse_message_rejects_invalid_ids(id: Any, told: str | None) -> None:
    assert rejection(message(id=id)) == (ID, told)


def test_parse_message_accepts_names_of_people() -> None:
    for name in (
        *("Ada", "Al Gore", "Ali", "Alice", "Ai Weiwei", "Iris", "Lil", "Å"),
        *("李", "Иван", "Αλίκη", "יעל", "علي", "अली", "Zoë", "O’Neil"),
        "👩‍👩‍👧",
    ):
        assert parse_message(message(user=name)).user == name
