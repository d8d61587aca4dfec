"""Replies that were written down: what was asked, what came, and when."""

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

Stream: TypeAlias = AsyncGenerator[tuple[str, int], None]

logger = logging.getLogger("ai")


class PromptMessage(BaseModel):
    """One message of a prompt."""

    role: str
    content: str


class Recording(BaseModel):
    """A prompt, and each part of its reply after the seconds it took."""

    prompt: list[PromptMessage] = Field(min_length=1)
    reply: list[tuple[NonNegativeFloat, str]] = Field(min_length=1)
    tokens: NonNegativeInt
    model: str


def parse_replay(ai: str) -> tuple[str, bool]:
    """Of `replay:FILE,local`: the file, and whether the local model helps."""
    file = ai.removeprefix("replay:")
    return file.removesuffix(",local"), file.endswith(",local")


def read_recordings(file: str) -> list[Recording]:
    """All that a file holds; raises ValueError, in words for a presenter."""
    path = ROOT / file
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                found.append(Recording.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            why = " ".join([*map(str, first["loc"]), first["msg"]])
            raise ValueError(f"{path}, line {number}: {why}") from None
    if not found:
        raise ValueError(f"{path} holds no recordings")
    return found


async def record_stream(
    stream: Stream, file: str, prompt: Any, model: str
) -> Stream:
    """Pass a stream on, and write it down once it is finished."""
    asked, said, tokens = time.monotonic(), "", 0
    reply: list[tuple[float, str]] = []
    async with aclosing(stream):
        async for text, tokens in stream:
            # Models may cut an emoji in two; half of it waits for the rest.
            both = text.encode("utf-16", "surrogatepass")
            whole = both.decode("utf-16", "ignore")
            if not whole.startswith(said):
                # All of it was a thought, as its end has told just now.
                reply, said = [], ""
            seconds = round(time.monotonic() - asked, 3)
            reply.append((seconds, whole[len(said) :]))
            said = whole
            yield text, tokens
    # A question whether to reply ends with a message of the system.
    if said and prompt[-1]["role"] == "user":
        append_recording(
            file, prompt=prompt, reply=reply, tokens=tokens, model=model
        )


def append_recording(file: str, **recording: Any) -> None:
    """Add a line to the file; what cannot be written is a line in the log."""
    line = json.dumps(recording, ensure_ascii=False)
    try:
        with open(ROOT / file, "a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")
    except OSError as error:
        logger.warning("a reply is not recorded: %s", error)
