"""A stub of Ollama's API: chats and the pulled models."""

import json
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .serving import Exchange, Fault, Json, Stub

NOW = "2026-01-01T00:00:00Z"


class OllamaStub(Stub):
    """Speaks Ollama's API; `ollama.AsyncClient(stub.url)` talks to it.

    `models` are the pulled ones: a chat with another is refused as Ollama does.
    """

    media_type = "application/x-ndjson"
    errors: Mapping[Fault, Json] = {
        "400": {"error": "the prompt is longer than the context"},
        "401": {"error": "unauthorized"},
        "404": {"error": "model 'stub' not found"},
        "429": {"error": "too many requests"},
        "quota": {"error": "you have reached your usage limit"},
        "500": {"error": "llama runner process has terminated: exit status 2"},
        "503": {
            "error": "server busy, please try again. "
            "maximum pending requests exceeded"
        },
    }

    def reset(self) -> None:
        """End its replies, and do as when it was made."""
        super().reset()
        self.models = ["llama3.2:latest", "mistral:latest"]
        self.loaded: list[str] = []
        self.thoughts: list[str] = []
        self.done_reason = "stop"

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which an app asks it."""
        return {
            "AI": "ollama",
            "OLLAMA_HOST": self.url,
            "MAX_MESSAGES_PER_SECOND": "1000",
        }

    def routes(self) -> list[Route]:
        """The addresses that our code may call."""
        return [
            Route("/api/chat", self.chat, methods=["POST"]),
            Route("/api/generate", self.load, methods=["POST"]),
            Route("/api/tags", self.tags),
        ]

    async def load(self, request: Request) -> Response:
        """Load a model, as a prompt without text does."""
        self.loaded.append(str((await request.json())["model"]))
        return JSONResponse(
            {
                "model": self.loaded[-1],
                "created_at": NOW,
                "response": "",
                "done": True,
                "done_reason": "load",
            }
        )

    async def tags(self, request: Request) -> Response:
        """List the pulled models."""
        if failure := await self.failure(request, self.fault):
            return failure
        details = {
            "format": "gguf",
            "family": "llama",
            "parameter_size": "3B",
            "quantization_level": "Q4_0",
        }
        return JSONResponse(
            {
                "models": [
                    {
                        "name": name,
                        "model": name,
                        "modified_at": NOW,
                        "size": 2_000_000_000,
                        "digest": "0" * 64,
                        "details": details,
                    }
                    for name in self.models
                ]
            }
        )

    async def failure(
        self, request: Request, fault: Fault | None
    ) -> Response | None:
        """Return an immediate fault, such as a model that was not pulled."""
        failure = await super().failure(request, fault)
        if failure or request.method == "GET":
            return failure
        model = str((await request.json())["model"])
        if (model if ":" in model else f"{model}:latest") in self.models:
            return None
        return JSONResponse({"error": f"model '{model}' not found"}, 404)

    async def stream(self, exchange: Exchange) -> AsyncIterator[str]:
        """Write a line of JSON a piece, and a last one that counts tokens."""
        for thought in self.thoughts:
            part = _part(exchange, "")
            part["message"]["thinking"] = thought
            yield json.dumps(part) + "\n"
        async for piece in exchange.pieces():
            yield json.dumps(_part(exchange, piece)) + "\n"
        if exchange.fault == "error":
            yield json.dumps(self.errors["500"]) + "\n"
        elif exchange.fault == "garbage":
            yield '{"model": "llam\n'
        elif exchange.fault != "ends_early":
            exchange.complete = True
            end = _end(exchange) | {"done_reason": self.done_reason}
            yield json.dumps(_part(exchange, "") | end) + "\n"

    def completion(self, exchange: Exchange) -> Json:
        """Write the whole reply as one object."""
        return _part(exchange, "".join(exchange.said)) | _end(exchange)


def _part(exchange: Exchange, content: str) -> Json:
    message = {"role": "assistant", "content": content}
    return {
        "model": exchange.body["model"],
        "created_at": NOW,
        "message": message,
        "done": False,
    }


def _end(exchange: Exchange) -> Json:
    prompt, reply = exchange.usage()
    counts = (
        {"prompt_eval_count": prompt, "eval_count": reply}
        if exchange.reports_usage
        else {}
    )
    return {
        "done": True,
        "done_reason": "stop",
        "total_duration": 1_000_000,
        "load_duration": 1_000,
    } | counts
