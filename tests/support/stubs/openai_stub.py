"""A stub of OpenAI's API: chat completions and the list of models."""

import json
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .serving import Exchange, Fault, Json, Stub


def _error(message: str, kind: str, code: str | None) -> Json:
    return {
        "error": {"message": message, "type": kind, "param": None, "code": code}
    }


class OpenAIStub(Stub):
    """Speaks OpenAI's chat completions to `AsyncOpenAI(base_url=…)`."""

    key = "sk-test-0123456789"

    media_type = "text/event-stream"
    finish_reason = "stop"
    errors: Mapping[Fault, Json] = {
        "400": _error(
            "This model's maximum context length is 8192 tokens. "
            "However, your messages resulted in 9000 tokens.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
        "401": _error(
            "Incorrect API key provided: sk-wrong. "
            "You can find your API key at https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            "invalid_api_key",
        ),
        "404": _error(
            "The model `stub` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        ),
        "429": _error(
            "Rate limit reached for stub in organization org-stub "
            "on requests per min (RPM): Limit 3, Used 3, Requested 1. "
            "Please try again in 20s.",
            "requests",
            "rate_limit_exceeded",
        ),
        "quota": _error(
            "You exceeded your current quota, "
            "please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        "500": _error(
            "The server had an error while processing your request. "
            "Sorry about that!",
            "server_error",
            None,
        ),
        "503": _error(
            "The engine is currently overloaded, please try again later.",
            "server_error",
            None,
        ),
    }

    @property
    def base_url(self) -> str:
        """The value for `OPENAI_BASE_URL`."""
        return f"{self.url}/v1"

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which an app asks it."""
        return {
            "AI": "openai",
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": self.key,
            "MAX_MESSAGES_PER_SECOND": "1000",
        }

    def routes(self) -> list[Route]:
        """The two addresses that our code may call."""
        return [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/models", self.models),
        ]

    async def models(self, request: Request) -> Response:
        """List one model."""
        if failure := await self.failure(request, self.fault):
            return failure
        model = {
            "id": "stub",
            "object": "model",
            "created": 1735689600,
            "owned_by": "tests",
        }
        return JSONResponse({"object": "list", "data": [model]})

    async def stream(self, exchange: Exchange) -> AsyncIterator[str]:
        """Write events: the role, each piece, the end, the usage."""
        options: Json = exchange.body.get("stream_options") or {}
        counted = bool(options.get("include_usage"))

        def event(choices: list[Json], usage: Json | None = None) -> str:
            chunk = self._head(exchange, "chat.completion.chunk") | {
                "choices": choices
            }
            return _event(chunk | {"usage": usage} if counted else chunk)

        yield event([_choice({"role": "assistant", "content": ""})])
        async for piece in exchange.pieces():
            yield event([_choice({"content": piece})])
        if exchange.fault == "error":
            yield _event(self.errors["500"])
        elif exchange.fault == "garbage":
            yield 'data: {"choices": [{"delta"\n\n'
        elif exchange.fault != "ends_early":
            yield event([_choice({}, self.finish_reason)])
            if counted and exchange.reports_usage:
                yield event([], _usage(exchange))
            exchange.complete = True
            yield "data: [DONE]\n\n"

    def completion(self, exchange: Exchange) -> Json:
        """Write the whole reply as one object."""
        message = {
            "role": "assistant",
            "content": "".join(exchange.said),
            "refusal": None,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "stop",
        }
        reply = self._head(exchange, "chat.completion") | {"choices": [choice]}
        return (
            reply | {"usage": _usage(exchange)}
            if exchange.reports_usage
            else reply
        )

    def _head(self, exchange: Exchange, kind: str) -> Json:
        number = self.exchanges.index(exchange) + 1
        return {
            "id": f"chatcmpl-{number}",
            "object": kind,
            "created": 1735689600,
            "model": exchange.body["model"],
        }


def _choice(delta: Json, finish_reason: str | None = None) -> Json:
    return {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish_reason,
    }


def _usage(exchange: Exchange) -> Json:
    prompt, reply = exchange.usage()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": reply,
        "total_tokens": prompt + reply,
    }


def _event(data: Json) -> str:
    return f"data: {json.dumps(data)}\n\n"
