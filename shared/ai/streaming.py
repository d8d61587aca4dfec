"""Run a reply: limits, budget, recording, and how it ends."""

import inspect
import logging
from collections.abc import Callable
from contextlib import aclosing, nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from ..settings import settings
from .chat_model import ChatModel
from .context import current_context
from .error_messages import NOT_SET_UP, WRONG, log_message, visitor_message
from .prompts import for_template
from .replay.player import NOT_RECORDED, NotRecorded
from .replay.recordings import Prompt, Stream, record_stream
from .thinking import ThoughtFilter
from .tokens import BUDGET_EXHAUSTED, TokenCounter
from .watchdog import Watchdog, watchdog

P = ParamSpec("P")
ReplyStream: TypeAlias = Callable[Concatenate[Prompt, P], Stream]

MAX_REPLY_CHARACTERS = 20_000
"""A longer reply is cut off."""

MAX_HIDDEN_CHARACTERS = 500_000
"""Characters of reasoning in one reply, which is never shown."""

TOO_LONG = f"Cut off: a reply has at most {MAX_REPLY_CHARACTERS:,} characters."
CUT_NOTES = {
    "length": "Cut off at the model's limit.",
    "content_filter": "Cut off by the provider's content filter.",
}

logger = logging.getLogger("ai")


class ReplyFailed(Exception):
    """Raised when a reply fails, with a message for visitors."""


class ReplyCut(Exception):
    """Raised at the end of a reply, with a note such as why it was cut off."""


class VisibleReply:
    """The visible part of a model's stream, and its tokens."""

    def __init__(
        self, prompt: Prompt, limits: Watchdog, model: ChatModel
    ) -> None:
        self.tokens = TokenCounter(prompt)
        self.cut: ReplyCut | None = None
        self._limits = limits
        self._hide_words = model.hide_words

    async def read(self, stream: Stream) -> Stream:
        """Yield what may be shown of the stream, up to the longest reply."""
        thoughts, text, shown = ThoughtFilter(), "", ""
        try:
            async with aclosing(stream):
                async for text, reported in stream:
                    hidden = self._limits.hidden_bytes
                    self._limits.reset(token=bool(text) or hidden > 0)
                    self.tokens.count(text, reported, hidden)
                    shown = self._hide_words(thoughts.strip(text))
                    yield shown[:MAX_REPLY_CHARACTERS], reported
                    if len(shown) > MAX_REPLY_CHARACTERS:
                        raise ReplyCut(TOO_LONG)
                    if len(text) > MAX_REPLY_CHARACTERS + MAX_HIDDEN_CHARACTERS:
                        raise ReplyCut(CUT_NOTES["length"])
        except ReplyCut as cut:
            self.cut = cut
        rest = self._hide_words(thoughts.strip(text, finished=True), True)
        if rest[:MAX_REPLY_CHARACTERS] != shown[:MAX_REPLY_CHARACTERS]:
            yield rest[:MAX_REPLY_CHARACTERS], 0


def supervised(stream: ReplyStream[P]) -> ReplyStream[P]:
    """Add to a model's stream everything that is not about asking it.

    - The prompt is rewritten for any chat template (see `for_template`).
    - The model's reasoning is left out, swear words of the local model are
      hidden, and a reply that is too long is cut.
    - Three timeouts: first token, stall, whole reply (see `Watchdog`).
    - Tokens: as reported, otherwise estimated from the bytes. They count for
      DAILY_TOKEN_BUDGET, and a reply is refused when that is used up.
    - With AI_RECORD, the reply is recorded.
    - The reply to a question that no recording has says so, for no tokens.

    Every error is logged, and raised as `ReplyFailed` with a message for
    visitors. A prompt that ends with a system message asks whether to reply.
    """

    @wraps(stream)
    async def watched(
        prompt: Prompt, /, *args: P.args, **kwargs: P.kwargs
    ) -> Stream:
        classifying = prompt[-1]["role"] == "system"
        context = current_context.get()
        moderation, model = context.moderation, context.answering_model
        pausable = (
            nullcontext() if classifying else moderation.cancel_on_pause()
        )
        refusal = NOT_SET_UP if model.problem else ""
        if context.budget.exhausted:
            refusal = BUDGET_EXHAUSTED
        if refusal:
            if not classifying:
                raise ReplyFailed(refusal)
            # Reply, as the reply says why there is none.
            yield "YES", 0
            return
        name = str(next(iter([*args, *kwargs.values()]), "") or model.name)
        limits = Watchdog(
            model.first_token_timeout(name),
            settings().ai_timeout,
            settings().ai_reply_timeout,
        )
        watchdog.set(limits)
        visible = VisibleReply(prompt, limits, model)
        # A recording is found by the prompt's separate messages.
        asked = prompt if model.kind == "replay" else for_template(prompt)
        parts = visible.read(stream(asked, *args, **kwargs))
        if model.record:
            parts = record_stream(parts, model.record, prompt, model.name)
        try:
            with pausable:
                while True:
                    async with limits:
                        await moderation.wait_stalled()
                        await model.ready()
                        text, _ = await anext(parts)
                    yield text, visible.tokens.so_far
        except StopAsyncIteration:
            model.note_answer(name)
            if classifying:
                moderation.report_classifier(failing=False)
            elif visible.cut:
                raise visible.cut from None
        except NotRecorded as unknown:
            yield NOT_RECORDED, 0
            raise ReplyCut(str(unknown)) from None
        except Exception as error:
            logger.warning(
                "a reply failed: %s",
                log_message(error, inspect.getfile(stream)),
            )
            if classifying:
                moderation.report_classifier(failing=True)
            raise ReplyFailed(visitor_message(error)) from None
        finally:
            await context.budget.count(visible.tokens)
            await parts.aclose()

    return watched


def require_finish_reason(end: object) -> None:
    """Raise ConnectionError if a stream ended without a finish reason.

    The clients take a broken stream for a finished one. Raise ReplyCut if the
    reason is that the model's limit or the provider's filter cut the reply.
    """
    if not end:
        raise ConnectionError("the stream ended before the reply did")
    if note := CUT_NOTES.get(str(end)):
        raise ReplyCut(note)


def failure_message(error: Exception) -> str:
    """Return why a reply failed, for visitors; log an unexpected error."""
    if isinstance(error, ReplyFailed):
        return str(error)
    logger.error("a reply failed", exc_info=error)
    return WRONG
