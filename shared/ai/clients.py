"""Who speaks to a model; imported late, as some take half a second."""

from typing import TYPE_CHECKING

from ..settings import settings
from .choice import OLLAMA
from .local import Local

if TYPE_CHECKING:
    from ollama import AsyncClient
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
"""Where OpenAI is; its client would take an empty variable for an address."""


def openai_client() -> "AsyncOpenAI":
    """A client of OpenAI, or of what speaks its language elsewhere."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=settings().openai_api_key or "no-key",
        base_url=settings().openai_base_url or OPENAI,
        max_retries=0,
        timeout=settings().ai_timeout,
    )


def local_client(local: Local) -> "AsyncOpenAI":
    """A client of the local model."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    return AsyncOpenAI(
        api_key=local.key,
        base_url=local.url,
        max_retries=0,
        timeout=settings().ai_timeout,
        # A proxy is for what is far away.
        http_client=DefaultAsyncHttpxClient(trust_env=False),
    )


def ollama_client() -> "AsyncClient":
    """A client of Ollama."""
    from ollama import AsyncClient

    host = settings().ollama_host
    return AsyncClient(
        host=host or OLLAMA,
        timeout=settings().ai_timeout,
        trust_env=bool(host),
    )
