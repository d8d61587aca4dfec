"""Detect the AI provider, and check its settings before it is asked."""

import json
import re
from http.client import HTTPException
from typing import Literal, TypeAlias, cast
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from ..settings import Settings

Provider: TypeAlias = Literal["openai", "ollama", "local", "replay", "none"]

OLLAMA = "http://127.0.0.1:11434"
"""Ollama's default address."""

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Bytes of Ollama's list of models."""

UNFIT_FOR_A_KEY = {
    "\n": "a newline",
    "\r": "a newline",
    "\t": "a tab",
    " ": "a space",
    '"': "a quote",
    "'": "a quote",
    "`": "a quote",
    **dict.fromkeys("‘’‚‛“”„‟«»", "a curly quote"),
}


HERE = re.compile(
    r"localhost|127\.[\d.]+|0\.0\.0\.0|::1|host\.docker\.internal", re.I
)
"""Hosts that are this machine, from within a container too."""


def detect_provider(settings: Settings) -> Provider:
    """Return the provider to use.

    That is the one of AI, if set; else OpenAI, if there is a key or a base
    URL; else Ollama, if OLLAMA_HOST is set or Ollama runs here and has the
    model; else the local model.
    """
    if settings.ai:
        return cast(Provider, settings.ai.partition(":")[0])
    if settings.openai_api_key or settings.openai_base_url:
        return "openai"
    if settings.ollama_host or has_model(settings.ollama_model):
        return "ollama"
    return "local"


def has_model(name: str, host: str = OLLAMA) -> bool:
    """Whether Ollama answers at this address and has the model."""
    try:
        # No proxy: this is the same machine.
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{host}/api/tags", timeout=0.5) as response:
            pulled = json.loads(response.read(MAX_RESPONSE_BYTES))["models"]
            names = {each["name"] for each in pulled}
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return False
    return name in names or f"{name}:latest" in names


def key_problem(settings: Settings) -> str:
    """Return the error of OPENAI_API_KEY, or ""."""
    for letter in settings.openai_api_key:
        unfit = "a character that no key has"
        if found := UNFIT_FOR_A_KEY.get(letter):
            unfit = found
        if found or not "!" <= letter <= "~":
            return f"OPENAI_API_KEY contains {unfit}"
    return ""


def url_problem(settings: Settings) -> str:
    """Return the error of OPENAI_BASE_URL, or ""."""
    url = settings.openai_base_url
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        whole = False
    if url and (not whole or re.search(r"\s", url)):
        return "OPENAI_BASE_URL is no address such as http://127.0.0.1:8000/v1"
    if url and parts.path.rstrip("/").endswith("/completions"):
        return "OPENAI_BASE_URL has to end before /chat/completions"
    return ""


def settings_problem(settings: Settings) -> str:
    """Return the first error of OpenAI's settings, or ""."""
    return key_problem(settings) or url_problem(settings)


def settings_remark(settings: Settings) -> str:
    """Return an error of OpenAI's settings, to follow the model's name."""
    wrong = settings_problem(settings)
    if not (settings.openai_api_key or settings.openai_base_url):
        wrong = "OPENAI_API_KEY is not set"
    return f", but {wrong}" if wrong else ""


def lacks_version(settings: Settings) -> bool:
    """Whether OPENAI_BASE_URL lacks the /v1 that most servers need."""
    url = settings.openai_base_url
    return bool(url) and not re.search(r"/v\d", urlsplit(url).path)


def runs_on_this_machine(settings: Settings, kind: str) -> bool:
    """Whether the model runs on this machine, and may need loading."""
    url = settings.openai_base_url if kind == "openai" else settings.ollama_host
    if kind != "openai":
        url = url or OLLAMA
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    return kind == "local" or bool(HERE.fullmatch(host))


def ignored_settings(settings: Settings, kind: str) -> list[str]:
    """Return a line for each setting that this provider ignores."""
    lines = []
    if settings.should_reply and kind in ("local", "replay"):
        lines.append("SHOULD_REPLY is ignored: this AI cannot judge it")
    if settings.ai_record and kind == "replay":
        lines.append("AI_RECORD is ignored: these are recordings")
    return lines
