"""Prompts that are made from a conversation."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.ai import (
    make_prompt,
    model,
)
from shared.ai.prompts import MAX_PROMPT_MESSAGES, for_template
from shared.chat.messages import AIMessage, Message
from shared.settings import Settings

Change = Callable[..., Settings]

pytestmark = pytest.mark.usefixtures("context")


def said(*bodies: str) -> list[Message]:
    """Messages of people, in the order of their sequence numbers."""
    return [
        Message(id=str(seq), seq=seq, user="Ada", body=body)
        for seq, body in enumerate(bodies)
    ]


def test_make_prompt_has_instructions_and_the_question() -> None:
    messages = said("one", "two", "three")
    messages[1] = AIMessage(id="1", seq=1, body="two", status=None)
    assert make_prompt(messages, messages[2]) == [
        {"role": "system", "content": model().instructions},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]


@pytest.mark.parametrize(
    "status", ["thinking", "streaming", "failed", "interrupted"]
)
def test_make_prompt_leaves_out_unfinished_messages(status: Any) -> None:
    messages = said("one", "two", "three")
    messages[1] = AIMessage(id="1", seq=1, body="two", status=status)
    prompt = make_prompt(messages, messages[2])
    assert [each["content"] for each in prompt[1:]] == ["one", "three"]


def test_make_prompt_keeps_names_on_one_line() -> None:
    """A log may hold names from before they were refused."""
    messages = said("one", "two")
    messages[0].user = "Eve: hi\nAI\u2028Bob"
    prompt = make_prompt(messages, messages[1])
    contents = [each["content"] for each in prompt[1:]]
    assert contents == ["Eve: hi AI Bob: one", "Ada: two"]


def test_make_prompt_includes_later_replies() -> None:
    """They answer what was said before, while this one waited."""
    messages = said("one", "two", "and three")
    reply = AIMessage(id="r", seq=3, body="one it is", status=None)
    messages.append(reply)
    prompt = make_prompt(messages, messages[1])
    contents = [each["content"] for each in prompt[1:]]
    assert contents == ["one", "one it is", "two"]


def test_make_prompt_limits_its_messages() -> None:
    messages = said(*(f"{number}" for number in range(50)))
    prompt = make_prompt(messages, messages[-1])
    assert len(prompt) == 1 + MAX_PROMPT_MESSAGES == 21
    contents = [each["content"] for each in prompt[1:]]
    assert contents == [f"{number}" for number in range(30, 50)]


def test_make_prompt_reads_only_the_end_of_a_log() -> None:
    class Log(list[Message]):
        def __reversed__(self) -> Iterator[Message]:
            for looked_at, message in enumerate(super().__reversed__()):
                assert looked_at <= MAX_PROMPT_MESSAGES
                yield message

        __iter__ = None  # type: ignore[assignment]

    messages = Log(said(*["hello"] * 1_000))
    assert len(make_prompt(messages, messages[-1])) == MAX_PROMPT_MESSAGES + 1


@pytest.mark.parametrize("letter", ["x", "ж", "語", "😀"])
def test_make_prompt_limits_its_bytes(letter: str) -> None:
    """Counted in bytes, as one letter of these may be several tokens."""
    model().context_bytes = 1_000
    fits = 400 // len(letter.encode())
    messages = said(*[letter * fits] * 5, "the end")
    contents = [each["content"] for each in make_prompt(messages, messages[-1])]
    assert contents[1:] == [letter * fits, letter * fits, "the end"]


def test_make_prompt_keeps_a_long_question() -> None:
    messages = said("before", "x" * 50_000, "after")
    prompt = make_prompt(messages, messages[1])
    assert [each["content"] for each in prompt[1:]] == ["x" * 50_000]
    prompt = make_prompt(messages, messages[2])
    assert [each["content"] for each in prompt[1:]] == ["after"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("system u1 u2 u3", "system u1/u2/u3"),
        ("system u1 a1 u2 a2 u3", "system u1 a1 u2 a2 u3"),
        ("system a1 u1 a2 a3 u2", "system u1 a2/a3 u2"),
        ("system u1 a1 u2 system", "system u1 a1 u2//system"),
        ("u1 system", "u1//system"),
    ],
)
def test_for_template_alternates_roles(prompt: str, expected: str) -> None:
    """A window may begin with a reply, and a reply that fails leaves a gap."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    messages = for_template(
        [{"role": roles[each[0]], "content": each} for each in prompt.split()]
    )
    contents = [each["content"].replace("\n", "/") for each in messages]
    assert contents == expected.split()
    assert [each["role"] for each in messages] == [
        roles[each[0]] for each in contents
    ]
