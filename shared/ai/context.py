"""The objects that `create_app` makes, and passes to all rooms."""

from contextvars import ContextVar
from dataclasses import dataclass, field

from ..chat.moderation import Moderation
from .tokens import Budget


@dataclass
class AppContext:
    """Objects that rooms share: `self.room.context` in a party."""

    moderation: Moderation = field(default_factory=Moderation)
    budget: Budget = field(default_factory=Budget)


current_context: ContextVar[AppContext] = ContextVar("current_context")
"""The context of the room that replies in this task."""
