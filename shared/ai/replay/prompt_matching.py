"""Whether the same was asked before, as far as its wording matters."""

import re
from itertools import takewhile

from pydantic import BaseModel


class PromptMessage(BaseModel):
    """One message of a prompt."""

    role: str
    content: str


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
