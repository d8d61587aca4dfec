"""Who speaks to a model; imported late, as some take half a second."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..settings import settings
from .local.process import LlamaProcess
from .provider import OLLAMA

if TYPE_CHECKING:
    from ollama import AsyncClient
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
"""Where OpenAI is; its client would take an empty variable for an address."""


VARIABLES = (
    *("all_proxy", "http_proxy", "https_proxy", "no_proxy"),
    *("ssl_cert_file", "ssl_cert_dir"),
)
"""Environment variables that a client reads by itself, in either case."""

logger = logging.getLogger("ai")


def drop_broken_variables(make_client: Callable[[], object]) -> None:
    """Remove the variables with which a library cannot make its client.

    They are named in the log, without their values: these may hold a password.
    """
    given = [each for each in os.environ if each.lower() in VARIABLES]
    removed = {name: os.environ.pop(name) for name in given}
    for name, value in removed.items():
        os.environ[name] = value
        try:
            make_client()
        except Exception as error:  # each library raises its own
            del os.environ[name]
            socks = isinstance(error, ImportError)
            why = (
                "SOCKS takes the package socksio"
                if socks
                else type(error).__name__
            )
            logger.warning("%s is ignored: %s", name, why)


def openai_client() -> "AsyncOpenAI":
    """A client of OpenAI, or of what speaks its language elsewhere."""
    from httpx2 import AsyncClient

    drop_broken_variables(AsyncClient)
    return _client(
        settings().openai_api_key or "no-key",
        settings().openai_base_url or OPENAI,
    )


def local_client(local: LlamaProcess) -> "AsyncOpenAI":
    """A client of the local model."""
    # A proxy is for what is far away.
    return _client(local.key, local.url, trust_env=False)


def _client(key: str, url: str, **options: Any) -> "AsyncOpenAI":
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    from .completions import Completions
    from .transport import bounded

    client = AsyncOpenAI(
        api_key=key,
        base_url=url,
        max_retries=0,
        timeout=settings().ai_reply_timeout,
        http_client=DefaultAsyncHttpxClient(**bounded(httpx2), **options),
    )
    vars(client.chat)["completions"] = Completions(client)
    return client


def ollama_client() -> "AsyncClient":
    """A client of Ollama."""
    import httpx

    drop_broken_variables(httpx.AsyncClient)
    # Importing it makes a client, too.
    from ollama import AsyncClient

    from .transport import bounded

    host = settings().ollama_host
    return AsyncClient(
        host=host or OLLAMA,
        timeout=settings().ai_reply_timeout,
        trust_env=bool(host),
        **bounded(httpx),
    )
