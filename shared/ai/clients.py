"""Make the clients of OpenAI, Ollama and the local model.

Their libraries are imported late: they take half a second.
"""

import logging
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..settings import settings
from .local.process import LlamaProcess
from .provider import OLLAMA

if TYPE_CHECKING:
    from ollama import AsyncClient
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
"""The default, as OpenAI's client would use an empty variable as a URL."""


VARIABLES = (
    *("all_proxy", "http_proxy", "https_proxy", "no_proxy"),
    *("ssl_cert_file", "ssl_cert_dir"),
)
"""Environment variables that the clients read, in either case."""

logger = logging.getLogger("ai")

OPTIONAL_PARTS = {
    "stream_options": (
        re.compile("stream_options|include_usage"),
        "stream_options is refused: tokens are estimated",
    ),
    "system": (
        re.compile("system role|role.{0,9}system", re.I),
        "a system role is refused: instructions go to the first user",
    ),
}
"""Of a request: how a refusal names each, and the consequence for the log."""


def drop_broken_variables(make_client: Callable[[], object]) -> None:
    """Remove environment variables that prevent making a client.

    The log names them without their values, which may hold a password.
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
    """Return a client of OpenAI, or of a compatible server."""
    from httpx2 import AsyncClient

    drop_broken_variables(AsyncClient)
    return _client(
        settings().openai_api_key or "no-key",
        settings().openai_base_url or OPENAI,
    )


def local_client(local: LlamaProcess) -> "AsyncOpenAI":
    """Return a client of the local model."""
    # Proxies are for other machines.
    return _client(local.key, local.url, trust_env=False)


def _client(key: str, url: str, **options: Any) -> "AsyncOpenAI":
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    from .http_responses import client_options

    client = AsyncOpenAI(
        api_key=key,
        base_url=url,
        max_retries=0,
        timeout=settings().ai_reply_timeout,
        http_client=DefaultAsyncHttpxClient(
            **client_options(httpx2), **options
        ),
    )
    completions = LenientCompletions(client.chat.completions)
    vars(client.chat)["completions"] = completions
    return client


def ollama_client() -> "AsyncClient":
    """Return a client of Ollama."""
    import httpx

    drop_broken_variables(httpx.AsyncClient)
    # Importing ollama makes a client, too.
    from ollama import AsyncClient

    from .http_responses import client_options

    host = settings().ollama_host
    return AsyncClient(
        host=host or OLLAMA,
        timeout=settings().ai_reply_timeout,
        trust_env=bool(host),
        **client_options(httpx),
    )


class LenientCompletions:
    """Chat completions without the parts that this server has refused."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions
        self._refused: set[str] = set()

    async def create(self, **options: Any) -> Any:
        """Ask; if a part of the request is refused, ask again without it."""
        while True:
            try:
                return await self._completions.create(
                    **self._without_refused(options)
                )
            except Exception as error:  # BadRequest, UnprocessableEntity
                if getattr(error, "status_code", None) not in (400, 422):
                    raise
                text = f"{error} {getattr(error, 'body', '')}"
                for part, (pattern, consequence) in OPTIONAL_PARTS.items():
                    if part not in self._refused and pattern.search(text):
                        self._refused.add(part)
                        logger.warning(consequence)
                        break
                else:
                    raise

    def _without_refused(self, options: dict[str, Any]) -> dict[str, Any]:
        left = dict(options)
        if "stream_options" in self._refused:
            left.pop("stream_options", None)
        system, *turns = left["messages"]
        if "system" in self._refused and system["role"] == "system" and turns:
            text = f"{system['content']}\n\n{turns[0]['content']}"
            left["messages"] = [{**turns[0], "content": text}, *turns[1:]]
        return left
