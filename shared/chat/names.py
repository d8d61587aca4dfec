"""Names that people may speak under."""

import unicodedata
from functools import lru_cache

from disarm import skeleton_key

RESERVED = {"ai", "assistant", "system"}
"""Names that nobody else may speak under."""

INVISIBLE = {"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"}
BLANKS = "\u115f\u1160\u2800"

MOST_CACHED = 2_000
"""Names that need not be looked at again: each message has one."""

TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What turns text around, so that “IA” may look like “AI”."""

BREAKS = {"Cc", "Zl", "Zp"}
"""Categories of characters that could begin a line of their own."""


def visible(name: str) -> str:
    """Return what can be seen of a name, in compatibility form (NFKC)."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", name)
        if unicodedata.category(letter) not in INVISIBLE
        and letter not in BLANKS
    )


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    if text.isascii() and text[:1].isalnum():
        return False  # as nearly always: no need to look at each character
    return not any(map(visible, set(text)))


@lru_cache(MOST_CACHED)
def bare(name: str) -> str:
    """Return the visible part of a name, normalized and case-folded."""
    return visible(unicodedata.normalize("NFKC", name).casefold())


@lru_cache(MOST_CACHED)
def skeletons(name: str) -> frozenset[str]:
    """Return keys that names share if they look alike (Unicode TR39).

    A capital I looks like a small L, and a small i does not: so there is a
    key of the name as it is written, and one in lower case.
    """
    seen = visible(name)
    return frozenset(
        skeleton_key(each, digit_policy="tr39")
        for each in (seen, seen.casefold())
    )


def letters(text: str) -> str:
    """Return a text without what is no letter and no digit."""
    return "".join(filter(str.isalnum, text))


LIKE_RESERVED = frozenset[str]().union(
    *(
        skeletons(each)
        for name in RESERVED
        for each in (name, name.title(), name.upper())
    )
)


@lru_cache(MOST_CACHED)
def problem_with(name: str) -> str | None:
    """Why nobody may speak under a name; None if it is fine."""
    shown = bare(name)
    if letters(shown) in RESERVED:
        return "This name is taken: choose another one."
    if TURNS & set(name):
        return "A name may not turn text around."
    if not shown:
        return "A message needs a name: text of 1 to 40 characters."
    if BREAKS & set(map(unicodedata.category, name)):
        return "A name may have no line breaks or control characters."
    if not LIKE_RESERVED.isdisjoint(map(letters, skeletons(name))):
        return "This name looks like the AI’s: add a surname, for example."
    return None


def one_line(name: str) -> str:
    """Return a name with spaces for what could begin a line of its own."""
    return "".join(
        " " if unicodedata.category(each) in BREAKS else each for each in name
    )
