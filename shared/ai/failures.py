"""How a reply ends: finished, failed in words for people, or interrupted."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from ..house import house
from ..messages import Reply
from ..settings import settings
from .budget import SPENT, budget
from .model import model
from .prompts import Prompt
from .recordings import Stream, recorded
from .tokens import Tokens
from .words import WRONG, details, words

P = ParamSpec("P")
Guarded: TypeAlias = Callable[Concatenate[Prompt, P], Stream]

LONGEST_REPLY = 20_000
"""Characters after which a reply is finished, whatever the model says."""

logger = logging.getLogger("ai")


class ReplyFailed(Exception):
    """A reply could not be finished; says why, in words for a visitor."""


def guarded(stream: Guarded[P]) -> Guarded[P]:
    """Watch over a stream of replies, and count their tokens.

    Silence of `AI_TIMEOUT` seconds and every error of a model's client are
    raised as ReplyFailed; the details are for the log alone. Where no tokens
    are reported, an estimate stands for them.
    """

    @wraps(stream)
    async def watched(
        prompt: Prompt, /, *args: P.args, **kwargs: P.kwargs
    ) -> Stream:
        if budget.spent:
            if prompt[-1]["role"] != "system":
                raise ReplyFailed(SPENT)
            # Should the AI reply? Yes, as the reply is what says why not.
            yield "YES", 0
            return
        tokens = Tokens(prompt)
        parts = stream(prompt, *args, **kwargs)
        if model.record:
            parts = recorded(parts, model.record, prompt, model.name)
        try:
            while True:
                await model.ready()
                async with asyncio.timeout(settings().ai_timeout):
                    text, reported = await anext(parts)
                yield text, tokens.count(text, reported)
                if len(text) > LONGEST_REPLY:
                    return
        except StopAsyncIteration:
            return
        except Exception as error:
            logger.warning(
                "a reply failed: %s", details(error, inspect.getfile(stream))
            )
            raise ReplyFailed(words(error)) from None
        finally:
            await budget.count(tokens)
            await parts.aclose()

    return watched


def check_end(end: object) -> None:
    """Raise if a stream is over, and its model never said that it ends.

    The clients take that for a reply, and a web page for an empty one.
    """
    if not end:
        raise ConnectionError("the stream ended before the reply did")


@contextmanager
def finishing(reply: Reply) -> Iterator[None]:
    """See to it that a reply is finished in the end, whatever happens."""
    try:
        with house.writing():
            yield
        reply.finish()
    except ReplyFailed as failure:
        reply.fail(str(failure))
    except asyncio.CancelledError:
        # Swallowed, so that what was said so far can still be kept.
        reply.interrupt()
    except Exception:
        logger.exception("a reply failed")
        reply.fail(WRONG)
