"""The part of a model's text that people see, and what cut it."""

from contextlib import aclosing

from .prompts import Prompt
from .replay.recordings import Stream
from .thinking import ThoughtFilter
from .tokens import TokenCounter
from .watchdog import Watchdog

MAX_REPLY_CHARACTERS = 20_000
"""Characters after which a reply is finished, whatever the model says."""

MAX_HIDDEN_CHARACTERS = 500_000
"""Of thoughts in one reply, which nobody is shown."""

TOO_LONG = f"Cut off: a reply has at most {MAX_REPLY_CHARACTERS:,} characters."
CUT_NOTES = {
    "length": "Cut off at the model's limit.",
    "content_filter": "Cut off by the provider's content filter.",
}


class ReplyCut(Exception):
    """A reply is finished, but was cut; says by what, for a note."""


class Answer:
    """The part of a stream's text that people see, and its tokens."""

    def __init__(self, prompt: Prompt, limits: Watchdog) -> None:
        self.tokens = TokenCounter(prompt)
        self.cut: ReplyCut | None = None
        self._limits = limits

    async def read(self, stream: Stream) -> Stream:
        """Pass a stream on without thoughts, up to the longest reply."""
        thoughts, text, shown = ThoughtFilter(), "", ""
        try:
            async with aclosing(stream):
                async for text, reported in stream:
                    hidden = self._limits.hidden_bytes
                    self._limits.reset(token=bool(text) or hidden > 0)
                    self.tokens.count(text, reported, hidden)
                    shown = thoughts.strip(text)
                    yield shown[:MAX_REPLY_CHARACTERS], reported
                    if len(shown) > MAX_REPLY_CHARACTERS:
                        raise ReplyCut(TOO_LONG)
                    if len(text) > MAX_REPLY_CHARACTERS + MAX_HIDDEN_CHARACTERS:
                        raise ReplyCut(CUT_NOTES["length"])
        except ReplyCut as cut:
            self.cut = cut
        rest = thoughts.strip(text, finished=True)[:MAX_REPLY_CHARACTERS]
        if rest != shown[:MAX_REPLY_CHARACTERS]:
            yield rest, 0


def require_finish_reason(end: object) -> None:
    """Raise if a stream is over, and its model never said that it ends.

    The clients take that for a reply, and a web page for an empty one. Where
    the model was cut, raise ReplyCut: the reply is finished, with a note.
    """
    if not end:
        raise ConnectionError("the stream ended before the reply did")
    if note := CUT_NOTES.get(str(end)):
        raise ReplyCut(note)
