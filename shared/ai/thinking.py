"""Remove a model's reasoning from a reply while it grows."""

import re

NAMES = "think|thinking|thought|reasoning"
OPENING = rf"<(?:{NAMES})>|\[THINK\]"
CLOSING = rf"</(?:{NAMES})>|\[/THINK\]"

ANY = rf"[ \t]*(?:({OPENING})|{CLOSING})\s*"

TAG = re.compile(rf"^{ANY}", re.M | re.I)
"""A tag begins a line or follows another: tags in a sentence are text."""

NEXT = re.compile(rf"\s*{ANY}", re.I)
END = re.compile(rf"(?:{CLOSING})\s*", re.I)
BEGUN = re.compile(r"(?:\A|\n)[ \t]*([<\[]/?[a-z]*)\Z", re.I)
TAGS = [
    each
    for name in NAMES.split("|")
    for each in (f"<{name}>", f"</{name}>", "[think]", "[/think]")
]
LONGEST_TAG = max(map(len, TAGS))


class ThoughtFilter:
    """Remove tagged reasoning from a text that only grows.

    Where a closing tag has no opening one, that was in the prompt, and all
    text before the closing tag is reasoning.
    """

    def __init__(self) -> None:
        self._answer = ""
        self._begin = 0
        self._searched = 0
        self._thinking = False

    def strip(self, text: str, finished: bool = False) -> str:
        """Return the text without its reasoning.

        Unless it is `finished`, an end that may become a tag is left out.
        """
        while tag := self._find(text):
            if not self._thinking:
                before = text[self._begin : tag.start()]
                self._answer = (self._answer + before) if tag[1] else ""
            self._thinking = not self._thinking and bool(tag[1])
            self._begin = self._searched = tag.end()
        self._searched = len(text)
        rest = "" if self._thinking else text[self._begin :]
        begun = None if finished else BEGUN.search(rest, max(0, len(rest) - 40))
        if begun and any(tag.startswith(begun[1].lower()) for tag in TAGS):
            rest = rest[: begun.start(1)]
        answer = self._answer + rest
        if not answer.strip():
            return ""
        return answer.lstrip() if self._begin else answer

    def _find(self, text: str) -> re.Match[str] | None:
        start = max(self._begin, self._searched - LONGEST_TAG)
        if self._thinking:
            return END.search(text, start)
        return NEXT.match(text, self._begin) or TAG.search(text, start)
