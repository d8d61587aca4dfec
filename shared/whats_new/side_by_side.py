"""Arrange old and new lines side by side, and fold unchanged ones."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from .diff import FileDiff
from .highlight import Line, highlight, mark_words

NumberedLine: TypeAlias = tuple[int, Line]
Positions: TypeAlias = dict[int, set[int]]
"""By the index of a line, the positions of changed characters."""

CONTEXT_LINES = 3
"""Unchanged lines shown before and after changed ones."""

MIN_FOLDED_LINES = 3
"""Fewer unchanged lines are not folded."""

MIN_SIMILARITY = 0.5
"""difflib's ratio from which one line counts as an edit of another."""

MAX_COMPARED_CHARACTERS = 500
"""The words of longer lines are not compared."""


class DiffBlock(NamedTuple):
    """Consecutive lines that are `changed`, the `same`, or `folded`."""

    kind: str
    old: list[NumberedLine]
    new: list[NumberedLine]


def diff_blocks(change: FileDiff) -> Iterator[DiffBlock]:
    """Yield a file's blocks from top to bottom."""
    old_words, new_words = changed_words(change)
    old = number_lines(change.name, change.old, old_words)
    new = number_lines(change.name, change.new, new_words)
    for tag, i, j, k, m in change.opcodes:
        if tag != "equal":
            yield DiffBlock("changed", old[i:j], new[k:m])
            continue
        above = CONTEXT_LINES if i or k else 0
        below = CONTEXT_LINES if j < len(old) or m < len(new) else 0
        for kind, start, end in fold(j - i, above, below):
            yield DiffBlock(kind, old[i:j][start:end], new[k:m][start:end])


def fold(length: int, above: int, below: int) -> Iterator[tuple[str, int, int]]:
    """Yield the kinds and ranges of a row of unchanged lines."""
    if length - above - below < MIN_FOLDED_LINES:
        yield "same", 0, length
        return
    if above:
        yield "same", 0, above
    yield "folded", above, length - below
    if below:
        yield "same", length - below, length


def number_lines(
    name: str, lines: list[str], words: Positions
) -> list[NumberedLine]:
    """Return lines with numbers, highlighting and marked words."""
    found = zip(lines, highlight(name, "\n".join(lines)), strict=False)
    return [
        (place + 1, mark_words(line, words[place]) if place in words else line)
        for place, (_, line) in enumerate(found)
    ]


def changed_words(change: FileDiff) -> tuple[Positions, Positions]:
    """Return the positions of changed words in edited lines."""
    old: Positions = {}
    new: Positions = {}
    for tag, i, j, k, m in change.opcodes:
        if tag == "replace":
            for one, two in zip(range(i, j), range(k, m), strict=False):
                found = changed_positions(change.old[one], change.new[two])
                old[one], new[two] = found
    return old, new


def changed_positions(old: str, new: str) -> tuple[set[int], set[int]]:
    """Return the positions of the words that two similar lines differ in."""
    if max(len(old), len(new)) > MAX_COMPARED_CHARACTERS:
        return set(), set()
    one, two = re.findall(r"\w+|\W", old), re.findall(r"\w+|\W", new)
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.ratio() < MIN_SIMILARITY:
        return set(), set()
    steps = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    return (
        word_positions(one, [(i, j) for _, i, j, _, _ in steps]),
        word_positions(two, [(k, m) for _, _, _, k, m in steps]),
    )


def word_positions(words: list[str], found: list[tuple[int, int]]) -> set[int]:
    """Return the positions of some words' characters in their line."""
    ends = [0, *accumulate(map(len, words))]
    return {place for i, j in found for place in range(ends[i], ends[j])}
