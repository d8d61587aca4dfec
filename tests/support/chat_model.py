"""The AI in the tests' own process: a stage's code, without a server."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.ai import Prompt, ReplyFailed, Stream, run_model
from shared.ai.context import AppContext, current_context
from shared.ai.streaming import ReplyCut

Parts = list[tuple[str, int]]


@asynccontextmanager
async def started_model() -> AsyncIterator[None]:
    """A model that an app has started, and whose room replies."""
    context = AppContext()
    async with run_model(context):
        current_context.set(context)
        yield


async def collect(stream: Stream) -> Parts:
    """All that a stream yields; its failure comes last, in words."""
    parts: Parts = []
    try:
        async for part in stream:
            parts.append(part)
    except ReplyFailed as failure:
        parts.append((str(failure), -1))
    except ReplyCut as cut:
        parts.append((str(cut), -2))
    return parts


def stream_reply(*prompt: str, stage: str = "demo_05") -> Stream:
    """Stream a stage's reply to messages of people."""
    messages: Prompt = [{"role": "user", "content": each} for each in prompt]
    return stream_prompt(messages, stage)


def stream_prompt(prompt: Prompt, stage: str = "demo_05") -> Stream:
    """Stream a stage's reply to a prompt."""
    ai = importlib.import_module(f"{stage}.party.ai")
    stream: Stream = ai.stream_reply(prompt)
    return stream


def run_replies(*prompts: Prompt | str, stage: str = "demo_05") -> list[Parts]:
    """Return all that a stage's replies to some prompts yield, in turn."""

    async def run() -> list[Parts]:
        async with started_model():
            return [
                await collect(
                    stream_reply(each, stage=stage)
                    if isinstance(each, str)
                    else stream_prompt(each, stage)
                )
                for each in prompts
            ]

    return asyncio.run(run())
