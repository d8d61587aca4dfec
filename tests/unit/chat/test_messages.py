"""Messages, and how a reply refers to the one that it answers."""

import pytest

from shared.chat.messages import MAX_QUOTE_LENGTH, Message, refer_to


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ("hello", "hello"),
        (" one\n\ttwo\u2028three\r\n", "one two three"),
        ("x" * MAX_QUOTE_LENGTH, "x" * MAX_QUOTE_LENGTH),
        ("x" * 4000, "x" * (MAX_QUOTE_LENGTH - 1) + "…"),
        ("x" * (MAX_QUOTE_LENGTH - 2) + " y z", "x" * 78 + "…"),
    ],
)
def test_refer_to_quotes_one_line(body: str, quote: str) -> None:
    question = Message(id="m1", user="Ada", body=body)
    reference = refer_to(question, merged=0)
    assert reference.model_dump(exclude_none=True) == {
        "id": "m1",
        "user": "Ada",
        "body": quote,
    }
