"""Plays recorded replies back, to whoever asks as one asks OpenAI."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from itertools import takewhile
from textwrap import shorten
from types import SimpleNamespace
from typing import Any

from ..local.process import NAME
from .recordings import PromptMessage, Recording

MAX_SUGGESTIONS = 5
"""How many of the questions it tells when it is asked another one."""


class NotRecorded(Exception):
    """Nobody asked that when it was recorded; says what can be asked."""


@dataclass
class Delta:
    """What is new in a reply."""

    content: str = ""


@dataclass
class Choice:
    """A part of a reply, or its end."""

    delta: Delta
    finish_reason: str | None = None


@dataclass
class Usage:
    """The tokens that prompt and reply took."""

    total_tokens: int


@dataclass
class Chunk:
    """What comes at once, with the names that OpenAI's client gives it."""

    choices: list[Choice]
    usage: Usage | None = None


class ReplayClient:
    """Takes the place of an `openai.AsyncOpenAI`.

    `local` becomes a real one, which is asked what was not recorded.
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
        """Play the reply to the last message, or ask the local model."""
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
        """The same question; of several, the one after the most that is the
        same before it, and of these the last.
        """
        asked = without_names(prompt)
        best = max(
            reversed(self.conversations),
            key=lambda each: common_suffix(each[0], asked),
        )
        return best[1] if common_suffix(best[0], asked) else None

    def suggest(self) -> str:
        """What to ask instead."""
        questions = [
            shorten(said[-1], 80, placeholder="…")
            for said, _ in self.conversations
        ]
        return "\n• ".join(
            [
                "This is a recording, and nobody asked that when it was made. "
                "Ask one of these:",
                *list(dict.fromkeys(questions))[:MAX_SUGGESTIONS],
            ]
        )


async def play(recording: Recording) -> AsyncGenerator[Chunk, None]:
    """Say again what was said, each part in its time since the start."""
    start = asyncio.get_running_loop().time()
    for seconds, text in recording.reply:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(start + seconds - now)
        yield Chunk([Choice(Delta(text))])
    yield Chunk([Choice(Delta(), "stop")], Usage(recording.tokens))


def without_names(prompt: list[PromptMessage]) -> list[str]:
    """What was said, without the names that several people's prompts have."""
    names = {name_of(each) for each in prompt if each.role == "user"}
    if len(names) < 2 or None in names:
        return [each.content for each in prompt]
    return [
        each.content.partition(": ")[2] if each.role == "user" else each.content
        for each in prompt
    ]


def name_of(said: PromptMessage) -> str | None:
    """Whose name may stand in front of what somebody said."""
    name, colon, _ = said.content.partition(": ")
    return name if colon else None


def normalize(text: str) -> str:
    """A text without capitals, quotes, wide spaces and its last marks."""
    unquoted = re.sub("[\"'`´‘’“”„«»]", "", text.casefold())
    return " ".join(unquoted.split()).rstrip(" .,:;!?…")


def common_suffix(one: list[str], other: list[str]) -> int:
    """How many messages are the same, counted from the end."""
    pairs = zip(
        map(normalize, one[::-1]), map(normalize, other[::-1]), strict=False
    )
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
