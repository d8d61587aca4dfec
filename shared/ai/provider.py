"""Which AI answers, when nobody has said which."""

import json
from http.client import HTTPException
from typing import Literal, TypeAlias, cast
from urllib.request import ProxyHandler, build_opener

from ..settings import Settings

Provider: TypeAlias = Literal["openai", "ollama", "local", "replay", "none"]

OLLAMA = "http://127.0.0.1:11434"
"""Where Ollama is, unless somebody moved it."""

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Of its list of models."""


def detect_provider(settings: Settings) -> Provider:
    """What `AI` says; else OpenAI with a key or a base URL, else Ollama if
    it is set or runs here with the model pulled, else the local model.
    """
    if settings.ai:
        return cast(Provider, settings.ai.partition(":")[0])
    if settings.openai_api_key or settings.openai_base_url:
        return "openai"
    if settings.ollama_host or has_model(settings.ollama_model):
        return "ollama"
    return "local"


def has_model(name: str, host: str = OLLAMA) -> bool:
    """Whether Ollama answers there, and has the model."""
    try:
        # No proxy: it is asked on this machine.
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{host}/api/tags", timeout=0.5) as response:
            pulled = json.loads(response.read(MAX_RESPONSE_BYTES))["models"]
            names = {each["name"] for each in pulled}
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return False
    return name in names or f"{name}:latest" in names
