"""A queue of questions for each room, answered one at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from ..chat.messages import Message, current_question, refer_to
from ..chat.moderation import Moderation
from ..party import Server
from ..settings import settings
from .context import current_context

S = TypeVar("S", bound=Server)
Reply: TypeAlias = Callable[[S, Message], Coroutine[Any, Any, None]]


@dataclass(eq=False)
class WaitingQuestion:
    """A question in the queue, which later ones may replace."""

    question: Message
    merged: int = 0
    """Questions that it has replaced, and that its reply answers too."""

    def replace(self, question: Message) -> None:
        """Let a later question take this place in the queue."""
        self.question = question
        self.merged += 1


class QuestionQueue:
    """The questions of a room that wait for its current reply to end."""

    def __init__(self) -> None:
        self.waiting: deque[WaitingQuestion] = deque()
        self._lock = asyncio.Lock()

    async def acquire(self, moderation: Moderation) -> None:
        """Wait until no other reply runs, and the AI is not paused."""
        await self._lock.acquire()
        try:
            await moderation.wait_resumed()
        except asyncio.CancelledError:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let the next reply begin."""
        self._lock.release()


def one_reply_at_a_time(reply: Reply[S]) -> Reply[S]:
    """Decorate a room's method so that its calls run one after another.

    At most MAX_QUEUED_QUESTIONS calls wait, in the order asked. A question
    beyond that replaces the last one in the queue: it gets no reply of its
    own, but the prompt of that reply has both, and the reply says so. While
    the AI is paused, all wait. With AI=none, the method is never called.
    """

    @wraps(reply)
    async def wait_and_reply(self: S, question: Message) -> None:
        if self.room.context.model.kind == "none":
            return
        queue: QuestionQueue = vars(self).setdefault("_queue", QuestionQueue())
        if len(queue.waiting) >= settings().max_queued_questions:
            queue.waiting[-1].replace(question)
            return
        slot = WaitingQuestion(question)
        queue.waiting.append(slot)
        try:
            await queue.acquire(self.room.context.moderation)
        finally:
            queue.waiting.remove(slot)
        current_context.set(self.room.context)
        current_question.set(refer_to(slot.question, slot.merged))
        try:
            await reply(self, slot.question)
        finally:
            queue.release()

    return wait_and_reply
