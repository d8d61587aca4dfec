"""A stage's talking points: the little of Markdown that its README uses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

HEADING = re.compile(r"^#+ +", re.MULTILINE)
ITEM = re.compile(r"^(?:(\d+\.)|[-*]) +", re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`|\*([^*]+)\*")

Text: TypeAlias = list[tuple[str, str]]
"""Pieces of text: the element (`code`, `em` or none), and the text."""


class Block(NamedTuple):
    """A paragraph (`p`), or the items of a list (`ol` or `ul`)."""

    tag: str
    items: list[Text]


class Section(NamedTuple):
    """A heading, and what stands below it."""

    heading: str
    blocks: list[Block]


def read_sections(path: Path) -> list[Section]:
    """The sections of a README, none where there is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    found = (part.partition("\n") for part in HEADING.split(text)[1:])
    return [Section(head, list(blocks(body))) for head, _, body in found]


def blocks(body: str) -> Iterator[Block]:
    """The paragraphs and lists of a section."""
    for part in filter(None, re.split(r"\n\s*\n", body.strip())):
        if item := ITEM.match(part):
            tag = "ol" if item[1] else "ul"
            yield Block(tag, [pieces(each) for each in ITEM.split(part)[2::2]])
        else:
            yield Block("p", [pieces(part)])


def pieces(text: str) -> Text:
    """Return the pieces of a text: words, code and emphasis."""
    flat = " ".join(text.split())
    found: Text = []
    end = 0
    for match in INLINE.finditer(flat):
        found.append(("", flat[end : match.start()]))
        found.append(("code", match[1]) if match[1] else ("em", match[2]))
        end = match.end()
    return [*found, ("", flat[end:])]
