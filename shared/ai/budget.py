"""Tokens a day: how many the AI took, and whether any are left."""

import asyncio
import logging
from datetime import UTC, date, datetime
from typing import Self

from pydantic import Field

from ..party import Entry, Log
from ..settings import settings
from .tokens import TokenCounter

BUDGET_EXHAUSTED = (
    "The AI has used up its tokens for today. It answers again tomorrow, "
    "from midnight (UTC) on."
)

logger = logging.getLogger("ai")


def today() -> date:
    """The day that it is in UTC, wherever the app runs."""
    return datetime.now(UTC).date()


class DailyUsage(Entry):
    """What one reply took, and its day's total, this reply included."""

    day: date = Field(default_factory=lambda: today())
    tokens: int
    estimated: bool
    total: int = 0

    def follow(self, before: Self | None) -> None:
        """Add up the day, right after whoever else counts in the log."""
        earlier = before.total if before and before.day == self.day else 0
        self.total = earlier + self.tokens


class Budget:
    """What is left of `DAILY_TOKEN_BUDGET`, by the log from the app."""

    def __init__(self) -> None:
        self.log: Log[DailyUsage] | None = None
        self._unsaved = 0
        self._counting: set[asyncio.Task[None]] = set()

    def start(self, log: Log[DailyUsage]) -> None:
        """Go on with what a log holds of today."""
        self.log, self._unsaved = log, 0
        self._warn()

    async def stop(self) -> None:
        """Wait until all that was counted is kept."""
        await asyncio.gather(*self._counting)

    @property
    def exhausted(self) -> bool:
        """Whether the replies that ended today took all there is."""
        most = settings().daily_token_budget
        last = self.log[-1] if self.log else None
        kept = last.total if last and last.day == today() else 0
        return most is not None and kept + self._unsaved >= most

    async def count(self, reply: TokenCounter) -> None:
        """Keep what a reply took, even if its task is cancelled meanwhile."""
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
            logger.warning("DAILY_TOKEN_BUDGET is spent until midnight (UTC)")


budget = Budget()
"""The one of this process."""
