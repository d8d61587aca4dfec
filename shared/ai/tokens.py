"""How many tokens a reply took: as reported, or else estimated."""

from .prompts import Prompt

BYTES_A_TOKEN = 4
"""About that many; good enough where a provider reports nothing."""


class TokenCounter:
    """The tokens of one reply so far, those of its prompt included."""

    def __init__(self, prompt: Prompt) -> None:
        self.so_far = 0
        self.estimated = False
        self._asked = sum(size(each["content"]) for each in prompt)

    def count(self, text: str, reported: int, hidden: int = 0) -> int:
        """Count a reply that came as far as `text`, and the `hidden` bytes of
        its reasoning; returns all so far.
        """
        if reported:
            self.so_far, self.estimated = reported, False
        elif self.estimated or not self.so_far:
            taken = self._asked + size(text) + hidden
            self.so_far, self.estimated = -(-taken // BYTES_A_TOKEN), True
        return self.so_far


def size(text: str) -> int:
    """Bytes of a text, which may end with half an emoji."""
    return len(text.encode("utf-8", "surrogatepass"))
