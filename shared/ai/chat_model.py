"""Choose, prepare and stop the model that answers."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, Self

from ..settings import settings
from . import clients
from .local import process as local
from .local.word_filter import WordFilter
from .provider import (
    Provider,
    detect_provider,
    ignored_settings,
    runs_on_this_machine,
    settings_problem,
    settings_remark,
)
from .replay import recordings
from .replay.player import ReplayClient

logger = logging.getLogger("ai")

INSTRUCTIONS = (
    "You are the AI in a chat room with several people. "
    "Where several speak, their messages begin with their names; yours never "
    "do. Answer the last message, kindly and briefly, in plain text."
)

FIRST_TOKEN_SECONDS = 30.0
LOADING_SECONDS = 120.0
"""Timeout of a first token while a local model may still be loading."""
LOADED_SECONDS = 240.0
"""Time after a reply in which a model is loaded; Ollama unloads after 300."""


class ChatModel:
    """The model of an app, and its client; "none" until it is started.

    `client` is an `ollama.AsyncClient` if `kind` is "ollama"; otherwise it
    has the interface of `openai.AsyncOpenAI`, to be called with `options`.
    `classifier` is the model that decides whether to reply, `status_line` is
    for the pages and the terminal, `problem` says why no provider can be
    asked, `record` is the file of AI_RECORD. A prompt has at most
    `context_bytes` of messages, with names if `prefix_names` is set.
    """

    def __init__(self) -> None:
        self.kind: Provider = "none"
        self.name = ""
        self.classifier = ""
        self.status_line = ""
        self.problem = ""
        self.client: Any = None
        self.options: dict[str, Any] = {}
        self.record = ""
        self.instructions = INSTRUCTIONS
        self.context_bytes = 12_000
        self.prefix_names = True
        self._loading: asyncio.Task[Any] | None = None
        self._answered: dict[str, float] = {}
        self._local: local.LlamaProcess | None = None
        self._word_filter: WordFilter | None = None

    @classmethod
    def recorded(cls) -> Self:
        """Return a model that plays the recordings for the demo script."""
        model = cls()
        model.kind = "replay"
        model._play_back(recordings.DEMO_REPLIES, with_local=False)
        return model

    async def start(self) -> None:
        """Choose the provider, and make its client."""
        self.kind = await asyncio.to_thread(detect_provider, settings())
        if self.kind == "openai":
            self._answer_with(settings().openai_model, "OpenAI")
            self.problem = settings_problem(settings())
            self.status_line += settings_remark(settings())
            if not self.problem:
                self.client = clients.openai_client()
        elif self.kind == "ollama":
            self.client = clients.ollama_client()
            self._answer_with(settings().ollama_model, "Ollama", "mistral")
            self._loading = asyncio.create_task(self._load_ollama())
        elif self.kind == "local":
            self.name = local.NAME
            self.status_line = (
                local.STATUS_LINE if local.is_installed() else local.NO_ANSWER
            )
            self._use_local()
        elif self.kind == "replay":
            self._play_back(*recordings.parse_replay(settings().ai))
        else:
            self.status_line = "No AI answers (AI=none)"
        for each in ignored_settings(settings(), self.kind):
            logger.warning(each)
        if self.kind not in ("none", "replay") and settings().ai_record:
            self.record = settings().ai_record
            self.status_line += "; its replies are recorded"

    def note_answer(self, name: str) -> None:
        """Record that a model has answered, and so is loaded."""
        self._answered[name] = time.monotonic()

    def first_token_timeout(self, name: str) -> float:
        """Return the timeout in seconds of a model's first token."""
        choice = settings()
        if choice.ai_first_token_timeout is not None:
            return choice.ai_first_token_timeout
        if "ai_timeout" in choice.model_fields_set:
            return choice.ai_timeout
        answered = self._answered.get(name)
        loaded = answered and time.monotonic() - answered < LOADED_SECONDS
        if loaded or not runs_on_this_machine(choice, self.kind):
            return FIRST_TOKEN_SECONDS
        return LOADING_SECONDS

    async def ready(self) -> None:
        """Wait until the local model is loaded, or raise why it is not."""
        if self._loading and self.kind == "local":
            self.client = await asyncio.shield(self._loading)

    def hide_words(self, text: str, finished: bool = False) -> str:
        """Return a reply without swear words, if the local model may write."""
        if not self._word_filter:
            return text
        return self._word_filter.hide(text, finished)

    async def stop(self) -> None:
        """Close the clients, and end the local model's process."""
        loading = [self._loading] if self._loading else []
        for task in loading:
            task.cancel()
        loaded = await asyncio.gather(*loading, return_exceptions=True)
        for client in (self.client, *loaded):
            if close := getattr(client, "close", None):
                await close()
        if self._local:
            await self._local.stop()

    def _answer_with(self, name: str, where: str, judge: str = "") -> None:
        self.name = name
        self.status_line = f"AI: {name} ({where})"
        if settings().should_reply:
            self.classifier = settings().should_reply_model or judge or name

    async def _load_ollama(self) -> None:
        """Have Ollama load the models before the first question."""
        for name in filter(None, dict.fromkeys([self.classifier, self.name])):
            # Ollama may start later; until then, replies fail with a message.
            with suppress(Exception):
                await self.client.generate(model=name)
                self.note_answer(name)

    def _use_local(self) -> None:
        self.options = local.OPTIONS
        self.instructions = local.INSTRUCTIONS
        self.context_bytes = local.MAX_CONTEXT_BYTES
        self.prefix_names = False
        self._loading = asyncio.create_task(self._load_local())

    async def _load_local(self) -> Any:
        if local.is_installed():
            self._word_filter = await asyncio.to_thread(WordFilter)
        self._local = await local.start_llama()
        return clients.local_client(self._local)

    def _play_back(self, file: str, with_local: bool) -> None:
        found = recordings.read_recordings(file)
        self.name = "recordings"
        self.status_line = f"AI: {recordings.describe_recordings(found)}; "
        self.prefix_names = False
        if with_local:
            who = (
                local.DESCRIPTION
                if local.is_installed()
                else f"nobody: {local.NOT_INSTALLED}"
            )
            self.status_line += f"other questions go to {who}"
            self._use_local()
        else:
            self.status_line += recordings.NO_OTHERS
        self.client = ReplayClient(found, self._loading)
