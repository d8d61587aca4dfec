"""The model that answers: which one it is, and the way to it."""

import asyncio
import logging
from typing import Any

from ..settings import settings
from . import clients, local
from .choice import Choice, choose

logger = logging.getLogger("ai")

INSTRUCTIONS = (
    "You are the AI in a chat room with several people. "
    "Where several speak, their messages begin with their names; yours never "
    "do. Answer the last message, kindly and briefly, in plain text."
)


class Model:
    """One of the app's services: started and stopped with it.

    `client` speaks to it: an `ollama.AsyncClient` if `kind` is "ollama",
    else an `openai.AsyncOpenAI`, which takes `options` with each request.
    """

    def __init__(self) -> None:
        self.kind: Choice = "none"
        self.name = ""
        self.judge = ""
        self.note = ""
        self.client: Any = None
        self.options: dict[str, Any] = {}
        self.instructions = INSTRUCTIONS
        self.window = 12_000
        self.knows_names = True
        self._loading: asyncio.Task[None] | None = None
        self._local: local.Local | None = None

    async def start(self) -> None:
        """Choose the model, and prepare the way to it."""
        self.kind = await asyncio.to_thread(choose, settings())
        if self.kind == "openai":
            self.client = clients.openai_client()
            self._answer_with(settings().openai_model, "OpenAI")
            if not (settings().openai_api_key or settings().openai_base_url):
                self.note += ", but OPENAI_API_KEY is not set"
        elif self.kind == "ollama":
            self.client = clients.ollama_client()
            self._answer_with(settings().ollama_model, "Ollama", "mistral")
        elif self.kind == "local":
            self._use_local()
        else:
            self.note = "No AI answers (AI=none)"

    async def ready(self) -> None:
        """Wait until the model is loaded; raises if it could not be."""
        if self._loading:
            await asyncio.shield(self._loading)

    async def stop(self) -> None:
        """Let go of the client, and of the local model."""
        if self._loading:
            await asyncio.gather(self._loading, return_exceptions=True)
        if close := getattr(self.client, "close", None):
            await close()
        if self._local:
            await self._local.stop()

    def _answer_with(self, name: str, where: str, judge: str = "") -> None:
        self.name = name
        self.note = f"AI: {name} ({where})"
        if settings().should_reply:
            self.judge = settings().should_reply_model or judge or name

    def _use_local(self) -> None:
        self.name = local.NAME
        self.note = local.NOTE if local.installed() else local.MISSING
        self.options = local.OPTIONS
        self.instructions = local.INSTRUCTIONS
        self.window = local.WINDOW
        self.knows_names = False
        if settings().should_reply:
            logger.warning(
                "SHOULD_REPLY is ignored: this model says YES always"
            )
        self._loading = asyncio.create_task(self._load())

    async def _load(self) -> None:
        self._local = await local.start()
        self.client = clients.local_client(self._local)


model = Model()
"""The one model of this process, for a stage's `services`."""
