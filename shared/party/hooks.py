"""Start a hook, and handle the exception that ends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from weakref import ref

from .connection import Connection
from .errors import MessageRejected

HookResult = Awaitable[None] | None
"""The return value of a hook: a coroutine of an `async def`, or None."""

Hook = Callable[..., HookResult]

_caller: ContextVar["ref[Connection] | None"] = ContextVar(
    "caller", default=None
)
"""A weak reference: tasks and timers that a hook starts copy its context."""

logger = logging.getLogger("party")


def current_caller() -> Connection | None:
    """Return the connection that caused the hook of this task, if one did."""
    caller = _caller.get()
    return caller() if caller else None


def set_caller(caller: Connection | None) -> None:
    """Set the result of `current_caller` for this task and those it starts."""
    _caller.set(ref(caller) if caller else None)


def has_started(task: asyncio.Task[None]) -> bool:
    """Return whether a task has begun to run; tasks start in order."""
    coroutine: Any = task.get_coro()
    # As inspect.getcoroutinestate() does, at half the cost for each message.
    has_frame = coroutine.cr_frame is not None
    return coroutine.cr_suspended or coroutine.cr_running or not has_frame


async def after_pending(hook: Hook, *arguments: Any) -> None:
    """Call a hook in a task, which starts after the tasks before it."""
    if (result := hook(*arguments)) is not None:
        await result


async def reraise(error: Exception) -> None:
    """Raise the error of a plain `def`, for finish_hook to handle."""
    try:
        raise error
    finally:
        del error  # it refers to this frame: a cycle


async def finish_hook(
    hook: Awaitable[None], where: object, caller: Connection | None = None
) -> None:
    """Await a hook; a rejection is sent to its caller, an error is logged."""
    set_caller(caller)
    try:
        await hook
    except MessageRejected as rejection:
        if caller:
            caller.send(rejection.frame)
    except Exception:
        logger.exception("%s: a hook failed, the room goes on", where)
