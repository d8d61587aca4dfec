"""A watchdog timer for each reply: first token, stall, whole reply."""

import asyncio
from contextvars import ContextVar
from types import TracebackType


class ReplyTooLong(Exception):
    """Raised when a whole reply takes too long."""


class Watchdog:
    """Three timeouts of a reply: first token, stall and whole reply.

    `first`, `stall` and `whole` are seconds. Bytes from the provider, SSE
    comments included, reset the first two, and nothing resets the third.
    `async with` bounds one wait, and raises TimeoutError or ReplyTooLong.
    """

    def __init__(self, first: float, stall: float, whole: float) -> None:
        self.hidden_bytes = 0
        """Bytes of reasoning that was left out, to estimate the tokens."""
        self._loop = asyncio.get_running_loop()
        self._reset_at = self._loop.time()
        self._ends_at = self._reset_at + whole
        self._limit = first
        self._stall = stall
        self._timeout: asyncio.Timeout | None = None

    def reset(self, token: bool = False) -> None:
        """Restart the timer; after the first token, `stall` applies."""
        self._reset_at = self._loop.time()
        if token:
            self._limit = self._stall
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(self._deadline())

    async def __aenter__(self) -> None:
        # Time in which nobody waited for the provider does not count.
        self._reset_at = self._loop.time()
        self._timeout = asyncio.timeout_at(self._deadline())
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._timeout
        timeout, self._timeout = self._timeout, None
        try:
            await timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            if self._loop.time() >= self._ends_at:
                raise ReplyTooLong from None
            raise

    def _deadline(self) -> float:
        return min(self._ends_at, self._reset_at + self._limit)


watchdog: ContextVar[Watchdog | None] = ContextVar("watchdog", default=None)
"""The watchdog of the reply that the current task waits for."""
