"""Behind a stage's `ai.py`: which model answers, in turn, and how it fails."""

from .failures import ReplyFailed, Stream, finishing, guarded
from .model import model
from .prompts import Prompt, make_prompt
from .turns import in_turn

__all__ = [
    "Prompt",
    "ReplyFailed",
    "Stream",
    "finishing",
    "guarded",
    "in_turn",
    "make_prompt",
    "model",
]
