"""Names that people may speak under."""

import unicodedata
from functools import lru_cache

RESERVED = {"ai", "assistant", "system"}
"""Names that nobody else may speak under."""

INVISIBLE = {"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"}
BLANKS = "\u115f\u1160\u2800"
LOOKALIKES = str.maketrans("\u0430\u0456\u03b1\u03b9", "aiai")
"""Cyrillic and Greek letters that look like those of “AI”."""

MOST_CACHED = 2_000
"""Names that need not be looked at again: each message has one."""

TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns text around, so that “IA” may look like “AI”."""


@lru_cache(MOST_CACHED)
def bare(name: str) -> str:
    """What can be seen of a name, in one way of writing it."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(
        letter
        for letter in folded
        if unicodedata.category(letter) not in INVISIBLE
        and letter not in BLANKS
    )


@lru_cache(MOST_CACHED)
def problem_with(name: str) -> str | None:
    """Why nobody may speak under a name; None if it is fine."""
    visible = bare(name)
    letters = "".join(filter(str.isalnum, visible))
    if letters.translate(LOOKALIKES) in RESERVED:
        return "This name is taken: choose another one."
    if TURNS & set(name):
        return "A name may not turn text around."
    if not visible:
        return "A message needs a name: text of 1 to 40 characters."
    return None
