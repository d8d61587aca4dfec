"""How a reply ends: finished, failed in words for people, or interrupted."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

from ..house import house
from ..messages import Reply
from ..settings import settings
from .model import model
from .recordings import Stream, recorded
from .words import WRONG, details, words

P = ParamSpec("P")

LONGEST_REPLY = 20_000
"""Characters after which a reply is finished, whatever the model says."""

logger = logging.getLogger("ai")


class ReplyFailed(Exception):
    """A reply could not be finished; says why, in words for a visitor."""


def guarded(stream: Callable[P, Stream]) -> Callable[P, Stream]:
    """Watch over a stream of replies.

    Silence of `AI_TIMEOUT` seconds and every error of a model's client are
    raised as ReplyFailed; the details are for the log alone.
    """

    @wraps(stream)
    async def watched(*args: P.args, **kwargs: P.kwargs) -> Stream:
        parts = stream(*args, **kwargs)
        if model.record:
            parts = recorded(parts, model.record, args[0], model.name)
        try:
            while True:
                await model.ready()
                async with asyncio.timeout(settings().ai_timeout):
                    text, tokens = await anext(parts)
                yield text, tokens
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
        reply.status = "interrupted"
    except Exception:
        logger.exception("a reply failed")
        reply.fail(WRONG)
