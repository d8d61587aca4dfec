"""Source code in colours: each line as runs of text that look the same."""

from collections.abc import Set
from itertools import groupby
from typing import TypeAlias

UNSTYLED_TOKENS = {"n", "nx", "o", "p", "w"}
"""pygments' short names of what looks like any text."""

Line: TypeAlias = list[tuple[str, str]]
"""What each run is, for the style sheet, and its text."""


def highlight(name: str, text: str) -> list[Line]:
    """The tokens in each line of a file, by pygments' short names."""
    # Here, as it takes a while, and a server never needs it itself.
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


def mark_words(line: Line, places: Set[int]) -> Line:
    """The line, where what stands at these places is a word that changed."""
    letters = [(kind, letter) for kind, text in line for letter in text]
    inks = [
        (f"{kind} word".strip() if place in places else kind, letter)
        for place, (kind, letter) in enumerate(letters)
    ]
    return [
        (ink, "".join(letter for _, letter in run))
        for ink, run in groupby(inks, key=lambda each: each[0])
    ]
