"""Whether a model is loaded, and how long its first token may take."""

import time
from contextlib import suppress
from typing import Any

from ..settings import settings
from .checks import runs_on_this_machine
from .provider import Provider

FIRST_TOKEN_SECONDS = 30.0
LOADING_SECONDS = 120.0
"""For a first token, while a model on this machine may still be loading."""
LOADED_SECONDS = 240.0
"""After a reply, in which a model is still loaded: Ollama's are for 300."""


class Readiness:
    """When each model answered last."""

    def __init__(self) -> None:
        self._answered: dict[str, float] = {}

    def note_answer(self, name: str) -> None:
        """Note that a model has answered, and so is loaded."""
        self._answered[name] = time.monotonic()

    def first_token_timeout(self, kind: Provider, name: str) -> float:
        """Return the seconds that a model may take for its first token."""
        choice = settings()
        if choice.ai_first_token_timeout is not None:
            return choice.ai_first_token_timeout
        if "ai_timeout" in choice.model_fields_set:
            return choice.ai_timeout
        answered = self._answered.get(name)
        loaded = answered and time.monotonic() - answered < LOADED_SECONDS
        if loaded or not runs_on_this_machine(choice, kind):
            return FIRST_TOKEN_SECONDS
        return LOADING_SECONDS

    async def load(self, client: Any, *names: str) -> None:
        """Let Ollama load models, before somebody waits for them."""
        for name in filter(None, dict.fromkeys(names)):
            # It may be started later: a reply says so, if it fails.
            with suppress(Exception):
                await client.generate(model=name)
                self.note_answer(name)
