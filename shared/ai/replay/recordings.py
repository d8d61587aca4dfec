"""Record replies with their prompts and timing, and read them back."""

import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeAlias

from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
)

from ...settings import ROOT

DEMO_REPLIES = "shared/ai/replay/demo_replies.jsonl"
"""Prepared answers to the demo script's questions."""

NO_OTHERS = "no model answers other questions"
"""Of a status line, where there is nothing but recordings."""

Prompt: TypeAlias = list[dict[str, str]]
Stream: TypeAlias = AsyncGenerator[tuple[str, int], None]

logger = logging.getLogger("ai")


class PromptMessage(BaseModel):
    """One message of a prompt."""

    role: str
    content: str


class Recording(BaseModel):
    """A prompt, and the parts of its reply with their times in seconds."""

    prompt: list[PromptMessage] = Field(min_length=1)
    reply: list[tuple[NonNegativeFloat, str]] = Field(min_length=1)
    tokens: NonNegativeInt
    model: str


def parse_replay(ai: str) -> tuple[str, bool]:
    """Parse `replay:FILE,local`: the file, and whether `,local` is there."""
    file = ai.removeprefix("replay:")
    return file.removesuffix(",local"), file.endswith(",local")


def read_recordings(file: str) -> list[Recording]:
    """Return a file's recordings, or raise ValueError with the reason."""
    path = ROOT / file
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                found.append(Recording.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            reason = " ".join([*map(str, first["loc"]), first["msg"]])
            raise ValueError(f"{path}, line {number}: {reason}") from None
    if not found:
        raise ValueError(f"{path} has no recordings")
    return found


def describe_recordings(found: list[Recording]) -> str:
    """Return a phrase that names the models which were recorded."""
    models = dict.fromkeys(each.model for each in found)
    return f"a recording of {' and '.join(models)}"


async def record_stream(
    stream: Stream, file: str, prompt: Any, model: str
) -> Stream:
    """Yield a stream, and append it to a file once it is finished."""
    started_at, recorded, tokens = time.monotonic(), "", 0
    reply: list[tuple[float, str]] = []
    async with aclosing(stream):
        async for text, tokens in stream:
            # Models may cut an emoji in two: keep half of it for the next part.
            both = text.encode("utf-16", "surrogatepass")
            whole = both.decode("utf-16", "ignore")
            if not whole.startswith(recorded):
                # Its end has just shown that all of it was reasoning.
                reply, recorded = [], ""
            seconds = round(time.monotonic() - started_at, 3)
            reply.append((seconds, whole[len(recorded) :]))
            recorded = whole
            yield text, tokens
    # A question whether to reply ends with a system message.
    if recorded and prompt[-1]["role"] == "user":
        append_recording(
            file, prompt=prompt, reply=reply, tokens=tokens, model=model
        )


def append_recording(file: str, **recording: Any) -> None:
    """Append a recording; log a warning if it cannot be written."""
    line = json.dumps(recording, ensure_ascii=False)
    try:
        with open(ROOT / file, "a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")
    except OSError as error:
        logger.warning("a reply is not recorded: %s", error)
