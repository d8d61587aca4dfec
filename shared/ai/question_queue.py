"""One reply at a time in a room, in the order asked."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from ..chat.moderation import moderation
from ..settings import settings
from .chat_model import model

S = TypeVar("S")
Q = TypeVar("Q")


class QuestionQueue:
    """Who waits for a turn, and with which question."""

    def __init__(self) -> None:
        self.waiting: deque[list[Any]] = deque()
        self.turn = asyncio.Lock()

    async def begin(self) -> None:
        """Wait until it is one's turn and the AI is not paused."""
        await self.turn.acquire()
        try:
            await moderation.wait_resumed()
        except asyncio.CancelledError:
            self.turn.release()
            raise


def one_reply_at_a_time(
    reply: Callable[[S, Q], Awaitable[None]],
) -> Callable[[S, Q], Awaitable[None]]:
    """Let a method that answers a question run once at a time.

    `MAX_QUEUED_QUESTIONS` of them may wait. One beyond that takes the place of
    the last one in the queue: it has no reply of its own, but that reply's
    prompt holds both. With AI=none, no question has a turn.
    """

    @wraps(reply)
    async def wait_and_reply(self: S, question: Q) -> None:
        if model.kind == "none":
            return
        turns: QuestionQueue = vars(self).setdefault("_turns", QuestionQueue())
        if len(turns.waiting) >= settings().max_queued_questions:
            turns.waiting[-1][0] = question
            return
        ticket = [question]
        turns.waiting.append(ticket)
        try:
            await turns.begin()
        finally:
            turns.waiting.remove(ticket)
        try:
            await reply(self, ticket[0])
        finally:
            turns.turn.release()

    return wait_and_reply
