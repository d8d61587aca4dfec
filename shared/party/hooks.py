"""How a hook begins, and what becomes of what it raises."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .errors import Asked, Refused

Waits = Awaitable[None] | None
"""What a hook returns: an `async def` is waited for, a `def` is done."""

Hook = Callable[..., Waits]

logger = logging.getLogger("party")


class Caller(Protocol):
    """Whoever a hook was started for."""

    def send(self, message: object) -> None: ...


def begun(task: asyncio.Task[None]) -> bool:
    """Whether a task has begun: those that were made before it have, too."""
    coroutine: Any = task.get_coro()
    # As inspect.getcoroutinestate() does, at half the cost for each message.
    has_frame = coroutine.cr_frame is not None
    return coroutine.cr_suspended or coroutine.cr_running or not has_frame


async def in_turn(hook: Hook, *arguments: Any) -> None:
    """A hook that does not begin before those that were started before."""
    if (waits := hook(*arguments)) is not None:
        await waits


async def fail(error: Exception) -> None:
    """What a hook did that could not even wait."""
    try:
        raise error
    finally:
        del error  # it holds this frame, which is not to hold it


async def run_hook(
    hook: Awaitable[None], where: object, caller: Caller | None = None
) -> None:
    """Run a hook to its end: a refusal is answered, an error is logged."""
    try:
        await hook
    except Asked as question:
        frame = await question.answer
        if caller:
            caller.send(frame)
    except Refused as refusal:
        if caller:
            caller.send(refusal.frame)
    except Exception:
        logger.exception("%s: a hook failed, the room goes on", where)
