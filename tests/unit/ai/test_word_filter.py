"""Swear words in replies of the local model."""

import re
from collections.abc import Callable
from functools import cache

import pytest
from glin_profanity.data.dictionary import dictionary

from shared.ai.local.word_filter import IGNORED, MASK, WordFilter

SUBSTITUTES = str.maketrans("aeios", "@310$")

SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda word: word.translate(SUBSTITUTES),
]

LISTED = sorted(set(dictionary.get_words("english")) - set(IGNORED))


@cache
def words() -> WordFilter:
    return WordFilter()


def hide(text: str) -> str:
    return words().hide(text, finished=True)


def in_three_spellings() -> list[str]:
    return [spell(word) for spell in SPELLINGS for word in LISTED]


def test_word_filter_hides_each_listed_word() -> None:
    assert len(LISTED) > 350
    shown = [
        word for word in in_three_spellings() if word in hide(f"I say {word}.")
    ]
    assert shown == []


def test_word_filter_hides_each_word_of_a_growing_text() -> None:
    """However the words come: at once, in two parts or by character."""
    for word in in_three_spellings():
        text = f"I say {word}, so"
        for step in (1, 2, len(text)):
            grown = [text[:end] for end in range(0, len(text) + step, step)]
            shown = [words().hide(each) for each in grown]
            assert not any(word in each for each in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Well, shit! All is fucked.", f"Well, {MASK}! All is {MASK}."),
        ("“Bullshit”, she said", f"{MASK}, she said"),
        ("those assholes\nand n1ggers", f"those {MASK}\nand {MASK}"),
        ("f-u-c-k or fuuuck or F.U.C.K", f"{MASK} or {MASK} or {MASK}"),
        ("2 girls 1 cup or 🖕", f"{' '.join([MASK] * 4)} or {MASK}"),
    ],
)
def test_word_filter_hides_endings_and_obfuscations(
    text: str, shown: str
) -> None:
    assert hide(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The class in Scunthorpe: an assistant mixes cocktails in the grass.",
        "An analysis of the document: a shiitake button, butter, grapes.",
        "Essex, Sussex, Titanic, Uranus, Dickens, peacock, therapist, spices",
        "5 × 91 = 455, 2+2=4, x*x, 1,455 and $8.50 at 5:30, B2B, b5, 1st",
        "```python\nprint('hello', end='')\n```\n* one\n** two **\n",
        "a class_name, user@example.org, https://example.org/class?x=1&y=2",
        "And God said: go to hell, kill the dragon, gay and happy.",
    ],
)
def test_word_filter_keeps_harmless_text(text: str) -> None:
    assert hide(text) == text


def test_word_filter_holds_back_the_last_word_alone() -> None:
    text = "Dolphins leap at dawn.\nThe sea, and stars"
    for end in range(len(text) + 1):
        shown = words().hide(text[:end])
        assert shown == re.sub(r"\S*\Z", "", text[:end])
    assert hide(text) == text
    assert words().hide("2 girls 1 cup") == "2 girls 1 "
