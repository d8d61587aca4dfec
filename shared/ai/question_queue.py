"""A queue of questions for each room, answered one at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from ..chat.messages import Message, current_question, refer_to
from ..chat.moderation import Moderation
from ..party import Server
from ..party.hooks import current_caller
from ..settings import settings
from .context import AppContext, current_context

S = TypeVar("S", bound=Server)
Reply: TypeAlias = Callable[[S, Message], Coroutine[Any, Any, None]]


@dataclass(eq=False)
class WaitingQuestion:
    """A question in the queue, which later ones may replace."""

    question: Message
    from_presenter: bool
    times_restricted: int
    """That of the moderation when it was asked; another drops it."""

    merged: int = 0
    """Questions that it has replaced, and that its reply answers too."""

    def replace(self, question: Message, times_restricted: int) -> None:
        """Let a later question take this place in the queue."""
        is_dropped = self.is_dropped(times_restricted)
        self.merged = 0 if is_dropped else self.merged + 1
        self.question, self.times_restricted = question, times_restricted

    def is_dropped(self, times_restricted: int) -> bool:
        """Whether only the presenter was answered since this was asked."""
        is_current = times_restricted == self.times_restricted
        return not (self.from_presenter or is_current)


class QuestionQueue:
    """The questions of a room that wait for its current reply to end.

    The presenter's are answered before all others.
    """

    def __init__(self) -> None:
        self._presenters: deque[WaitingQuestion] = deque()
        self._others: deque[WaitingQuestion] = deque()
        self._lock = asyncio.Lock()

    def add(
        self, question: Message, from_presenter: bool, times_restricted: int
    ) -> WaitingQuestion | None:
        """Queue a question; return None if it has replaced the last one."""
        questions = self._presenters if from_presenter else self._others
        if len(questions) >= settings().max_queued_questions:
            questions[-1].replace(question, times_restricted)
            return None
        waiting = WaitingQuestion(question, from_presenter, times_restricted)
        questions.append(waiting)
        return waiting

    @asynccontextmanager
    async def turn(
        self, waiting: WaitingQuestion, moderation: Moderation
    ) -> AsyncIterator[None]:
        """Wait for a question's turn; no other reply runs during the block."""
        questions = self._presenters if waiting.from_presenter else self._others
        try:
            while True:
                async with self._lock:
                    await moderation.wait_resumed()
                    if (self._presenters or self._others)[0] is waiting:
                        questions.popleft()
                        yield
                        return
                await asyncio.sleep(0)  # let one that came later go first
        finally:
            with suppress(ValueError):  # not in the queue any more
                questions.remove(waiting)


def one_reply_at_a_time(reply: Reply[S]) -> Reply[S]:
    """Decorate a room's method so that its calls run one after another.

    At most MAX_QUEUED_QUESTIONS calls wait, in the order asked. A question
    beyond that replaces the last one in the queue: it gets no reply of its
    own, but the prompt of that reply has both, and the reply says so. The
    presenter's questions go first, and are merged only with each other; others
    get no reply if the AI answers only the presenter. While it is paused, all
    wait. With AI=none, the method is never called.
    """

    @wraps(reply)
    async def wait_and_reply(self: S, question: Message) -> None:
        context: AppContext = self.room.context
        moderation = context.moderation
        from_presenter = is_from_presenter(context)
        if context.model.kind == "none":
            return
        if not moderation.may_answer(from_presenter):
            return
        queue: QuestionQueue = vars(self).setdefault("_queue", QuestionQueue())
        waiting = queue.add(
            question, from_presenter, moderation.times_restricted
        )
        if not waiting:
            return
        async with queue.turn(waiting, moderation):
            if waiting.is_dropped(moderation.times_restricted):
                return
            current_context.set(context)
            current_question.set(refer_to(waiting.question, waiting.merged))
            await reply(self, waiting.question)

    return wait_and_reply


def is_from_presenter(context: AppContext) -> bool:
    """Whether the presenter's browser has sent what this task handles."""
    caller = current_caller()
    return caller is not None and context.is_presenter(caller.websocket)
