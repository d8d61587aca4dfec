"""Hide swear words in a reply while it grows."""

import re
from functools import lru_cache

MASK = "***"

IGNORED = [
    *["big black", "blonde action", "girl on", "how to kill", "how to murder"],
    *["huge fat", "make me come", "taste my", "tied up", "tight white"],
    *["tongue in a", "wrapping men", "bs", "mf", "xx", "testbad01"],
]
"""Entries of the list that harmless sentences have, or a chess board."""

SUBSTITUTES = str.maketrans("@4310!57$", "aaeioists")
"""Digits and signs that stand for letters."""

WORD = re.compile(r"[\w@$!]*(?:[^\W\d_]|[@$])[\w@$!]*")
"""A word that may have some of them; a number has not."""

TOKEN = re.compile(r"\S*[^\s.,:;!?]")

SENTENCE = re.compile(r".*?(?:[.!?]\s+|\n|\Z)", re.DOTALL)


class WordFilter:
    """Replace the listed words of a text that only grows by asterisks.

    Two lists, as each lacks what the other one has: `pyobscenity` finds a word
    with any ending, and `glin_profanity` knows more of them.
    """

    def __init__(self) -> None:
        # They take a third of a second, and come with the local model alone.
        from glin_profanity import Filter
        from pyobscenity import find_matches

        self._find_matches = find_matches
        self._filter = Filter(
            {
                "languages": ["english"],
                "obfuscation": {"level": "standard", "masking": False},
                "ignore_words": IGNORED,
                # So that it finds each occurrence of an obfuscated word.
                "enable_context_aware": True,
            }
        )
        # A sentence that has ended is not searched again.
        self._hide = lru_cache(1024)(self._hide_in_sentence)
        self._hide("")

    def hide(self, text: str, finished: bool = False) -> str:
        """Return the text with asterisks in the place of the listed words.

        Unless it is `finished`, the last word is left out, as it may grow.
        """
        end = len(text)
        if not finished:
            end = max(text.rfind(" "), text.rfind("\n")) + 1
        return "".join(map(self._hide, SENTENCE.findall(text[:end])))

    def _hide_in_sentence(self, text: str) -> str:
        spans = self._find(text)

        def replace(token: re.Match[str]) -> str:
            start, end = token.span()
            found = any(start < last and first < end for first, last in spans)
            return MASK if found else token[0]

        return TOKEN.sub(replace, text) if spans else text

    def _find(self, text: str) -> list[tuple[int, int]]:
        """Return the start and the end of each listed word."""
        spans = [
            (each.start_index, each.end_index)
            for each in self._find_matches(text)
            # Numbers such as 455 are no words.
            if not text[each.start_index : each.end_index].isdecimal()
        ]
        # It is on the list, but no word, so that the filter cannot find it.
        spans += [each.span() for each in re.finditer("🖕", text)]
        plain = WORD.sub(lambda word: replace_substitutes(word[0]), text)
        for version in {text, plain}:
            found = self._filter.check_profanity(version)
            for each in found.get("matches", []):
                start = each["index"]
                spans.append((start, start + len(each["word"])))
        return spans


def replace_substitutes(word: str) -> str:
    """Return a word with letters for digits and signs, but for final `!`."""
    body = word.rstrip("!")
    return body.translate(SUBSTITUTES) + word[len(body) :]
