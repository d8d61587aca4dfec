"""Play recorded replies back, with the interface of OpenAI's client."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from itertools import takewhile
from textwrap import shorten
from types import SimpleNamespace
from typing import Any

from ..local.process import NAME
from .recordings import PromptMessage, Recording

NOT_RECORDED = "I only know the questions of this demo; set a key for more."
"""The reply to a question that was not recorded."""

MAX_SUGGESTIONS = 3
"""Recorded questions that the note under that reply suggests."""


class NotRecorded(Exception):
    """Raised for a question without recording, with some that have one."""


def make_chunk(text: str, end: str | None, usage: object) -> SimpleNamespace:
    """Return a chunk with the attributes of OpenAI's."""
    delta = SimpleNamespace(content=text)
    choice = SimpleNamespace(delta=delta, finish_reason=end)
    return SimpleNamespace(choices=[choice], usage=usage)


class ReplayClient:
    """A stand-in for `openai.AsyncOpenAI`.

    `local` is a task that returns the local model's client, which answers the
    questions that were not recorded.
    """

    def __init__(
        self, recordings: Sequence[Recording], local: asyncio.Task[Any] | None
    ) -> None:
        self.chat = SimpleNamespace(completions=self)
        self.conversations = [
            (without_names(each.prompt), each) for each in recordings
        ]
        self.local = local

    async def create(
        self, *, model: str, messages: list[dict[str, str]], **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Play the reply to the prompt, or ask the local model."""
        if recording := self.find([PromptMessage(**each) for each in messages]):
            return aclosing(play(recording))
        if not self.local:
            raise NotRecorded(self.suggest())
        client = await asyncio.shield(self.local)
        stream: AbstractAsyncContextManager[Any]
        stream = await client.chat.completions.create(
            model=NAME, messages=messages, **options
        )
        return stream

    def find(self, prompt: list[PromptMessage]) -> Recording | None:
        """Return the recording of the same question, if there is one.

        Of several, it is the one with most of the preceding messages in
        common, and of those the last.
        """
        asked = without_names(prompt)
        best = max(
            reversed(self.conversations),
            key=lambda each: common_suffix(each[0], asked),
        )
        return best[1] if common_suffix(best[0], asked) else None

    def suggest(self) -> str:
        """Return a note with questions that were recorded."""
        questions = dict.fromkeys(
            f"“{shorten(messages[-1], 80, placeholder='…')}”"
            for messages, _ in self.conversations
        )
        return f"Ask one of these: {' · '.join([*questions][:MAX_SUGGESTIONS])}"


async def play(recording: Recording) -> AsyncGenerator[object, None]:
    """Yield a recorded reply's parts at their recorded times."""
    start = asyncio.get_running_loop().time()
    for seconds, text in recording.reply:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(start + seconds - now)
        yield make_chunk(text, None, None)
    usage = SimpleNamespace(total_tokens=recording.tokens)
    yield make_chunk("", "stop", usage)


def without_names(prompt: list[PromptMessage]) -> list[str]:
    """Return the messages' texts without their authors' names."""
    names = {prefixed_name(each) for each in prompt if each.role == "user"}
    if len(names) < 2 or None in names:
        return [each.content for each in prompt]
    return [
        each.content.partition(": ")[2] if each.role == "user" else each.content
        for each in prompt
    ]


def prefixed_name(message: PromptMessage) -> str | None:
    """Return the name that may precede a message's text."""
    name, colon, _ = message.content.partition(": ")
    return name if colon else None


def normalize(text: str) -> str:
    """Return a text without case, quotes, wide spaces and final marks."""
    unquoted = re.sub("[\"'`´‘’“”„«»]", "", text.casefold())
    return " ".join(unquoted.split()).rstrip(" .,:;!?…")


def common_suffix(one: list[str], other: list[str]) -> int:
    """Return how many messages are the same, counted from the end."""
    pairs = zip(
        map(normalize, one[::-1]), map(normalize, other[::-1]), strict=False
    )
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
