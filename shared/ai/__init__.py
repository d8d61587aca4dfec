"""Providers, prompts, streaming, the question queue and the budget."""

from .context import model, run_model
from .prompts import make_prompt
from .question_queue import one_reply_at_a_time
from .replay.recordings import Prompt, Stream
from .streaming import (
    ReplyCut,
    ReplyFailed,
    failure_message,
    require_finish_reason,
    supervised,
)

__all__ = [
    "Prompt",
    "ReplyCut",
    "ReplyFailed",
    "Stream",
    "failure_message",
    "make_prompt",
    "model",
    "one_reply_at_a_time",
    "require_finish_reason",
    "run_model",
    "supervised",
]
