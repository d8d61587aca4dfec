"""A file's old lines beside its new ones, and what stays folded of it."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from .diff import Change
from .highlight import Line, coloured, marked

Numbered: TypeAlias = tuple[int, Line]
Places: TypeAlias = dict[int, set[int]]
"""By the place of a line, those of letters in it."""

CONTEXT = 3
"""Unchanged lines in sight before and after those that changed."""

LEAST = 3
"""Unchanged lines that are worth being folded."""

ALIKE = 0.5
"""How much of two lines is the same where one became the other."""

WIDEST = 500
"""Characters of a line whose words are compared."""


class Block(NamedTuple):
    """Lines in a row: `changed`, the `same` in both, or those `folded`."""

    kind: str
    old: list[Numbered]
    new: list[Numbered]


def blocks(change: Change) -> Iterator[Block]:
    """A file from top to bottom, its lines with their numbers."""
    old_words, new_words = changed_words(change)
    old = numbered(change.name, change.old, old_words)
    new = numbered(change.name, change.new, new_words)
    for tag, i, j, k, m in change.steps:
        if tag != "equal":
            yield Block("changed", old[i:j], new[k:m])
            continue
        above = CONTEXT if i or k else 0
        below = CONTEXT if j < len(old) or m < len(new) else 0
        for kind, start, end in folds(j - i, above, below):
            yield Block(kind, old[i:j][start:end], new[k:m][start:end])


def folds(
    length: int, above: int, below: int
) -> Iterator[tuple[str, int, int]]:
    """Which of unchanged lines in a row are in sight, and which are not."""
    if length - above - below < LEAST:
        yield "same", 0, length
        return
    if above:
        yield "same", 0, above
    yield "folded", above, length - below
    if below:
        yield "same", length - below, length


def numbered(name: str, lines: list[str], words: Places) -> list[Numbered]:
    """Lines with their numbers and colours, and marks where words changed."""
    found = zip(lines, coloured(name, "\n".join(lines)), strict=False)
    return [
        (place + 1, marked(line, words[place]) if place in words else line)
        for place, (_, line) in enumerate(found)
    ]


def changed_words(change: Change) -> tuple[Places, Places]:
    """Where words changed in lines of which one became the other."""
    old: Places = {}
    new: Places = {}
    for tag, i, j, k, m in change.steps:
        if tag == "replace":
            for one, two in zip(range(i, j), range(k, m), strict=False):
                found = compared(change.old[one], change.new[two])
                old[one], new[two] = found
    return old, new


def compared(old: str, new: str) -> tuple[set[int], set[int]]:
    """The places of the letters that two lines that are alike do not share."""
    if max(len(old), len(new)) > WIDEST:
        return set(), set()
    one, two = re.findall(r"\w+|\W", old), re.findall(r"\w+|\W", new)
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.ratio() < ALIKE:
        return set(), set()
    steps = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    return (
        letters(one, [(i, j) for _, i, j, _, _ in steps]),
        letters(two, [(k, m) for _, _, _, k, m in steps]),
    )


def letters(words: list[str], found: list[tuple[int, int]]) -> set[int]:
    """The places of the letters of some words in their line."""
    ends = [0, *accumulate(map(len, words))]
    return {place for i, j in found for place in range(ends[i], ends[j])}
