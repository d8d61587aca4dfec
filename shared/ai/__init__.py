"""Behind a stage's `ai.py`: which model answers, in turn, and how it fails."""

from .answer import check_end
from .failures import ReplyFailed, finishing, guarded
from .model import model
from .prompts import Prompt, make_prompt
from .recordings import Stream
from .turns import in_turn

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
