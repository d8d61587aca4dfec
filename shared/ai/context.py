"""The objects that `create_app` makes, and passes to all rooms."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property

from starlette.requests import HTTPConnection

from ..chat.moderation import Moderation
from .chat_model import ChatModel
from .tokens import Budget


@dataclass
class AppContext:
    """Objects that rooms share: `self.room.context` in a party."""

    moderation: Moderation = field(default_factory=Moderation)
    budget: Budget = field(default_factory=Budget)
    model: ChatModel = field(default_factory=ChatModel)
    is_presenter: Callable[[HTTPConnection], bool] = lambda _: False
    """Whether a browser is the presenter's; set by `presenter_routes`."""

    @property
    def answering_model(self) -> ChatModel:
        """The model, or the recordings that the presenter has switched to."""
        if self.moderation.recordings_only:
            return self._recordings
        return self.model

    @cached_property
    def _recordings(self) -> ChatModel:
        return ChatModel.recorded()


current_context: ContextVar[AppContext] = ContextVar("current_context")
"""The context of the room that replies in this task."""


def model() -> ChatModel:
    """Return the model of the room that replies in this task."""
    if context := current_context.get(None):
        return context.answering_model
    raise LookupError("the method lacks @one_reply_at_a_time")


@asynccontextmanager
async def run_model(context: AppContext) -> AsyncIterator[str]:
    """Run the model of an app, as one of its `services`."""
    try:
        await context.model.start()
        yield context.model.status_line
    finally:
        await context.model.stop()
