"""Highlight source code: each line becomes runs of one style."""

from collections.abc import Set
from itertools import groupby
from typing import TypeAlias

UNSTYLED_TOKENS = {"n", "nx", "o", "p", "w"}
"""pygments' short names of tokens without a style."""

Line: TypeAlias = list[tuple[str, str]]
"""The CSS class and the text of each run."""


def highlight(name: str, text: str) -> list[Line]:
    """Return each line's tokens, with pygments' short names as classes."""
    # Imported here: it is slow, and the server itself never needs it.
    from pygments import lexers, token  # type: ignore[import-untyped]

    found = lexers.find_lexer_class_for_filename(name) or lexers.TextLexer
    lines: list[Line] = [[]]
    for kind, value in found(stripnl=False).get_tokens(text):
        short = token.STANDARD_TYPES.get(kind, "")
        first, *others = value.split("\n")
        lines[-1].append(("" if short in UNSTYLED_TOKENS else short, first))
        lines += [
            [("" if short in UNSTYLED_TOKENS else short, each)]
            for each in others
        ]
    return lines


def mark_words(line: Line, positions: Set[int]) -> Line:
    """Return the line with the class `word` at these positions."""
    letters = [(kind, letter) for kind, text in line for letter in text]
    inks = [
        (f"{kind} word".strip() if position in positions else kind, letter)
        for position, (kind, letter) in enumerate(letters)
    ]
    return [
        (ink, "".join(letter for _, letter in run))
        for ink, run in groupby(inks, key=lambda each: each[0])
    ]
