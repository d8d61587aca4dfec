"""Count the tokens of replies, and keep DAILY_TOKEN_BUDGET."""

import asyncio
import logging
from datetime import UTC, date, datetime
from typing import Self

from pydantic import Field

from ..party import Entry, Log
from ..settings import settings
from .replay.recordings import Prompt

BYTES_PER_TOKEN = 4
"""A rough average, for providers that report no tokens."""

BUDGET_EXHAUSTED = (
    "The AI has used up its tokens for today. It answers again tomorrow, "
    "from midnight (UTC) on."
)

logger = logging.getLogger("ai")


class TokenCounter:
    """The tokens of one reply so far, those of its prompt included.

    They are `estimated` until the provider reports them.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.so_far = 0
        self.estimated = False
        self._prompt_bytes = sum(text_bytes(each["content"]) for each in prompt)

    def count(self, text: str, reported: int, hidden: int = 0) -> int:
        """Count a reply of which `text` has come; return the tokens so far.

        `reported` tokens win over an estimate; 0 means that none are reported.
        `hidden` is the number of bytes of reasoning that was left out.
        """
        if reported:
            self.so_far, self.estimated = reported, False
        elif self.estimated or not self.so_far:
            total = self._prompt_bytes + text_bytes(text) + hidden
            self.so_far, self.estimated = -(-total // BYTES_PER_TOKEN), True
        return self.so_far


def text_bytes(text: str) -> int:
    """Return a text's size in UTF-8; it may end in half an emoji."""
    return len(text.encode("utf-8", "surrogatepass"))


def today() -> date:
    """Return the date in UTC, in whatever time zone the server is."""
    return datetime.now(UTC).date()


class DailyUsage(Entry):
    """A log entry: one reply's tokens, and the day's total including them."""

    day: date = Field(default_factory=lambda: today())
    tokens: int
    estimated: bool
    total: int = 0

    def accumulate(self, previous: Self | None) -> None:
        """Set the day's total from the entry before this one."""
        earlier = previous.total if previous and previous.day == self.day else 0
        self.total = earlier + self.tokens


class Budget:
    """Tokens left of DAILY_TOKEN_BUDGET, counted in the app's log."""

    def __init__(self) -> None:
        self.log: Log[DailyUsage] | None = None
        self._unsaved = 0
        self._counting: set[asyncio.Task[None]] = set()

    def start(self, log: Log[DailyUsage]) -> None:
        """Continue with today's total in a log."""
        self.log, self._unsaved = log, 0
        self._warn()

    async def stop(self) -> None:
        """Wait until the log has everything that was counted."""
        await asyncio.gather(*self._counting)

    @property
    def exhausted(self) -> bool:
        """Whether the replies that ended today used up the budget."""
        budget = settings().daily_token_budget
        last = self.log[-1] if self.log else None
        saved = last.total if last and last.day == today() else 0
        return budget is not None and saved + self._unsaved >= budget

    async def count(self, reply: TokenCounter) -> None:
        """Add a reply's tokens, even if the calling task is cancelled."""
        if reply.so_far and self.log is not None:
            counting = asyncio.create_task(self._count(self.log, reply))
            self._counting.add(counting)
            counting.add_done_callback(self._counting.discard)
            await asyncio.shield(counting)

    async def _count(self, log: Log[DailyUsage], reply: TokenCounter) -> None:
        if reply.estimated:
            logger.info("a reply took about %d tokens", reply.so_far)
        tokens, self._unsaved = self._unsaved + reply.so_far, 0
        try:
            await log.append(
                DailyUsage(tokens=tokens, estimated=reply.estimated)
            )
        except Exception as error:
            self._unsaved += tokens
            logger.warning("the tokens of a reply are not kept: %s", error)
        self._warn()

    def _warn(self) -> None:
        if self.exhausted:
            logger.warning("DAILY_TOKEN_BUDGET is used up until midnight (UTC)")
