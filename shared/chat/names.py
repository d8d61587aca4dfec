"""Names of people: which are allowed, and which look alike."""

import unicodedata
from functools import lru_cache

from disarm import skeleton_key

RESERVED = {"ai", "assistant", "system"}
"""Names that only the AI speaks under."""

NAME_NEEDED = "A message needs a name: text of 1 to 40 characters."

INVISIBLE_CATEGORIES = {"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"}
BLANK_CHARACTERS = "\u115f\u1160\u2800"

MAX_CACHED_NAMES = 2_000
"""Names in each cache: a name is checked with each of its messages."""

BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reverse text, so that “IA” looks like “AI”."""

LINE_BREAK_CATEGORIES = {"Cc", "Zl", "Zp"}
"""Unicode categories of characters that may start a new line."""


def visible(name: str) -> str:
    """Return the visible characters of a name, in NFKC form."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", name)
        if unicodedata.category(letter) not in INVISIBLE_CATEGORIES
        and letter not in BLANK_CHARACTERS
    )


def is_blank(text: str) -> bool:
    """Whether a text has no visible character."""
    if text.isascii() and text[:1].isalnum():
        return False  # the common case, without a look at each character
    return not any(map(visible, set(text)))


@lru_cache(MAX_CACHED_NAMES)
def normalize_name(name: str) -> str:
    """Return the visible part of a name, normalized and case-folded."""
    return visible(unicodedata.normalize("NFKC", name).casefold())


@lru_cache(MAX_CACHED_NAMES)
def skeletons(name: str) -> frozenset[str]:
    """Return keys that two names share if they look alike (Unicode TR39).

    A capital I looks like a small L, and a small i does not: so there is a
    key of the name as it is written, and one in lower case.
    """
    seen = visible(name)
    return frozenset(
        skeleton_key(each, digit_policy="tr39")
        for each in (seen, seen.casefold())
    )


def letters(text: str) -> str:
    """Return only the letters and digits of a text."""
    return "".join(filter(str.isalnum, text))


RESERVED_SKELETONS = frozenset[str]().union(
    *(
        skeletons(each)
        for name in RESERVED
        for each in (name, name.title(), name.upper())
    )
)


@lru_cache(MAX_CACHED_NAMES)
def name_error(name: str) -> str | None:
    """Return why a name is not allowed, in words for a person, or None."""
    shown = normalize_name(name)
    if letters(shown) in RESERVED:
        return "This name is taken: choose another one."
    if BIDI_CONTROLS & set(name):
        return "A name may not turn text around."
    if not shown:
        return NAME_NEEDED
    if LINE_BREAK_CATEGORIES & set(map(unicodedata.category, name)):
        return "A name may have no line breaks or control characters."
    if not RESERVED_SKELETONS.isdisjoint(map(letters, skeletons(name))):
        return "This name looks like the AI’s: add a surname, for example."
    return None


def one_line(name: str) -> str:
    """Return a name with spaces for characters that may start a new line."""
    breaks = LINE_BREAK_CATEGORIES
    return "".join(
        " " if unicodedata.category(each) in breaks else each for each in name
    )
