"""Supervised streams, and the messages of failed replies."""

import asyncio
import json
import re
from collections.abc import Callable

import pytest

from shared.ai import (
    Prompt,
    ReplyFailed,
    Stream,
    failure_message,
    supervised,
)
from shared.ai.error_messages import visitor_message
from shared.ai.streaming import MAX_REPLY_CHARACTERS, TOO_LONG
from shared.chat.messages import AIMessage
from shared.settings import Settings

from ...support.chat_model import collect
from ...support.server_process import PATIENCE

Change = Callable[..., Settings]

pytestmark = pytest.mark.usefixtures("context")


def written(text: str = "") -> AIMessage:
    reply = AIMessage()
    reply.set_text(text)
    return reply


def test_ai_message_thinks_streams_and_finishes() -> None:
    reply = AIMessage()
    assert (reply.user, reply.role) == ("AI", "assistant")
    assert (reply.body, reply.status) == ("Thinking…", "thinking")
    reply.set_text("")
    assert (reply.body, reply.status) == ("Thinking…", "thinking")
    reply.set_text("It is")
    assert (reply.body, reply.status) == ("It is", "streaming")
    reply.set_text("It is four.")
    reply.finish()
    assert (reply.body, reply.status) == ("It is four.", None)


def test_ai_message_that_fails_keeps_its_text() -> None:
    for reply, body in [(written("It is"), "It is\n\nNo."), (written(), "No.")]:
        reply.fail(failure_message(ReplyFailed("No.")))
        assert (reply.body, reply.status) == (body, "failed")


def test_ai_message_that_is_cancelled_is_interrupted() -> None:
    reply = written("It is")
    reply.interrupt()
    assert (reply.body, reply.status) == ("It is", "interrupted")


def test_failure_message_hides_programming_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert "the secret" not in failure_message(RuntimeError("the secret"))
    assert "the secret" in caplog.text


class Failing(Exception):
    """An error of a client, with a status, a name and a text."""

    def __init__(self, status_code: int | None, text: str = "a secret") -> None:
        super().__init__(text)
        if status_code is not None:
            self.status_code = status_code


class ReadTimeout(Exception):
    """The timeout of httpx, which is no TimeoutError."""


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (Failing(401), "key"),
        (Failing(403), "key"),
        (Failing(404), "does not have the model"),
        (Failing(429), "too much to do"),
        (Failing(400), "other words"),
        (Failing(413), "other words"),
        (Failing(500), "problem of its own"),
        (Failing(-1), "problem of its own"),
        (Failing(None), "connection"),
        (ConnectionRefusedError("a secret"), "connection"),
        (TimeoutError("a secret"), "silent"),
        (ReadTimeout("a secret"), "silent"),
        (ModuleNotFoundError("a secret"), "installed"),
    ],
    ids=repr,
)
def test_visitor_message_explains_failures(
    error: Exception, found: str
) -> None:
    text = visitor_message(error)
    assert found in text
    assert "secret" not in text
    assert not any(letter.isdigit() for letter in text)
    assert text.endswith(".")


ASKED: Prompt = [{"role": "user", "content": "What is two and two?"}]


def test_log_message_is_one_line(
    caplog: pytest.LogCaptureFixture, setting: Change
) -> None:
    setting()

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        raise Failing(502, "<html>\n<h1>Bad gateway</h1>\n" + "x" * 5_000)

    parts = asyncio.run(collect(stream(ASKED)))
    assert parts == [("It is", 3), (visitor_message(Failing(502)), -1)]
    (record,) = caplog.records
    assert record.exc_info is None
    line = record.getMessage()
    assert line.startswith(
        "a reply failed: Failing: <html> <h1>Bad gateway</h1> x"
    )
    assert "\n" not in line
    assert len(line) < 400


def test_log_message_names_the_line_of_a_programming_error(
    caplog: pytest.LogCaptureFixture, setting: Change
) -> None:
    """And is not blamed on the connection."""
    setting()

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        json.dumps(object())

    parts = asyncio.run(collect(stream(ASKED)))
    assert parts[-1] == ("Something went wrong with this reply. Try again.", -1)
    (record,) = caplog.records
    assert re.fullmatch(
        r"a reply failed: test_streaming.py, line \d+: TypeError: .+",
        record.getMessage(),
    )


def test_supervised_times_out_when_the_model_is_silent(setting: Change) -> None:
    """Also one whose connection lives, so that its client goes on waiting."""
    setting(ai_timeout=0.05)

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        await asyncio.Event().wait()

    parts = asyncio.run(asyncio.wait_for(collect(stream(ASKED)), PATIENCE))
    assert parts == [("It is", 3), (visitor_message(TimeoutError()), -1)]


def test_supervised_cuts_an_endless_reply(setting: Change) -> None:
    setting()
    closed = []

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        text = ""
        try:
            while True:
                text += "and so on "
                yield text, 0
        finally:
            closed.append(True)

    parts = asyncio.run(collect(stream(ASKED)))
    assert len(parts[-2][0]) == MAX_REPLY_CHARACTERS
    assert parts[-1] == (TOO_LONG, -2)
    assert closed == [True]
