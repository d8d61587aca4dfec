"""Run a reply: limits, budget, recording, and how it ends."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from ..chat.messages import AIMessage
from ..chat.moderation import moderation
from ..settings import settings
from .answer import Answer, ReplyCut
from .budget import BUDGET_EXHAUSTED, budget
from .error_messages import NOT_SET_UP, WRONG, log_message, visitor_message
from .model import model
from .prompts import Prompt, for_template
from .replay.recordings import Stream, record_stream
from .watchdog import Watchdog, watchdog

P = ParamSpec("P")
ReplyStream: TypeAlias = Callable[Concatenate[Prompt, P], Stream]

logger = logging.getLogger("ai")


class ReplyFailed(Exception):
    """A reply could not be finished; says why, in words for a visitor."""


def supervised(stream: ReplyStream[P]) -> ReplyStream[P]:
    """Watch over a stream of replies, and count their tokens.

    The stream gets a prompt that any chat template takes. What it yields is
    passed on without the model's thoughts, and cut at the limits. A timeout
    (see Watchdog) and every error of a model's client are raised as
    ReplyFailed; the details are for the log alone. Where no tokens are
    reported, an estimate stands for them.

    A prompt that ends with the system message is a question whether to reply.
    """

    @wraps(stream)
    async def watched(
        prompt: Prompt, /, *args: P.args, **kwargs: P.kwargs
    ) -> Stream:
        judging = prompt[-1]["role"] == "system"
        refusal = NOT_SET_UP if model.problem else ""
        if budget.exhausted:
            refusal = BUDGET_EXHAUSTED
        if refusal:
            if not judging:
                raise ReplyFailed(refusal)
            # Should the AI reply? Yes, as the reply is what says why not.
            yield "YES", 0
            return
        name = str(next(iter([*args, *kwargs.values()]), "") or model.name)
        limits = Watchdog(
            model.readiness.first_token_timeout(model.kind, name),
            settings().ai_timeout,
            settings().ai_reply_timeout,
        )
        watchdog.set(limits)
        answer = Answer(prompt, limits)
        # A recording is found by what was said, one message after another.
        asked = prompt if model.kind == "replay" else for_template(prompt)
        parts = answer.read(stream(asked, *args, **kwargs))
        if model.record:
            parts = record_stream(parts, model.record, prompt, model.name)
        try:
            while True:
                async with limits:
                    await model.ready()
                    text, _ = await anext(parts)
                yield text, answer.tokens.so_far
        except StopAsyncIteration:
            model.readiness.note_answer(name)
            if judging:
                moderation.report_classifier(failing=False)
            elif answer.cut:
                raise answer.cut from None
        except Exception as error:
            logger.warning(
                "a reply failed: %s",
                log_message(error, inspect.getfile(stream)),
            )
            if judging:
                moderation.report_classifier(failing=True)
            raise ReplyFailed(visitor_message(error)) from None
        finally:
            await budget.count(answer.tokens)
            await parts.aclose()

    return watched


@contextmanager
def finishing(reply: AIMessage) -> Iterator[None]:
    """See to it that a reply is finished in the end, whatever happens."""
    try:
        with moderation.cancel_on_pause():
            yield
        reply.finish()
    except ReplyCut as cut:
        reply.finish(str(cut))
    except ReplyFailed as failure:
        reply.fail(str(failure))
    except asyncio.CancelledError:
        # Swallowed, so that what was said so far can still be kept.
        reply.interrupt()
    except Exception:
        logger.exception("a reply failed")
        reply.fail(WRONG)
