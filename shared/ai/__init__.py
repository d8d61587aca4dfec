"""Behind a stage's `ai.py`: which model answers, in turn, and how it fails."""

from .answer import check_end
from .model import model
from .prompts import Prompt, make_prompt
from .question_queue import in_turn
from .replay.recordings import Stream
from .streaming import ReplyFailed, finishing, guarded

__all__ = [
    "Prompt",
    "ReplyFailed",
    "Stream",
    "check_end",
    "finishing",
    "guarded",
    "in_turn",
    "make_prompt",
    "model",
]
