"""The stubs of OpenAI and Ollama, tried with the real clients."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator

import httpx
import ollama
import openai
import pytest

from ..support.stubs import Fault, OllamaStub, OpenAIStub

PATIENCE = 1.0  # the clients' own, in seconds


@pytest.fixture
def openai_stub() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def ollama_stub() -> Iterator[OllamaStub]:
    with OllamaStub() as stub:
        yield stub


class Answer:
    """The text that a client received, also when the reply fails."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.tokens: int | None = None
        self.finished = False


async def ask_openai(stub: OpenAIStub, body: str, answer: Answer) -> None:
    async with openai.AsyncOpenAI(
        base_url=stub.base_url,
        api_key="sk-stub",
        max_retries=0,
        timeout=PATIENCE,
    ) as client:
        stream = await client.chat.completions.create(
            model="stub",
            messages=[{"role": "user", "content": body}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            for choice in chunk.choices:
                answer.pieces.append(choice.delta.content or "")
                answer.finished |= choice.finish_reason == "stop"
            if chunk.usage:
                answer.tokens = chunk.usage.total_tokens


async def ask_ollama(stub: OllamaStub, body: str, answer: Answer) -> None:
    client = ollama.AsyncClient(stub.url, timeout=PATIENCE)
    async with client:
        messages = [{"role": "user", "content": body}]
        async for part in await client.chat(
            model="llama3.2", messages=messages, stream=True
        ):
            answer.pieces.append(part.message.content or "")
            answer.finished |= bool(part.done)
            if (
                part.eval_count is not None
                and part.prompt_eval_count is not None
            ):
                answer.tokens = part.prompt_eval_count + part.eval_count


def test_openai_replies_in_pieces_and_counts_them(
    openai_stub: OpenAIStub,
) -> None:
    answer = Answer()
    asyncio.run(ask_openai(openai_stub, "hello there", answer))
    assert "".join(answer.pieces) == "You said: hello there"
    assert (
        len(list(filter(None, answer.pieces))),
        answer.tokens,
        answer.finished,
    ) == (4, 2 + 4, True)
    exchange = openai_stub.next_request()
    assert exchange.wait_until_over()
    assert exchange.headers["authorization"] == "Bearer sk-stub"
    assert exchange.body["messages"] == [
        {"role": "user", "content": "hello there"}
    ]
    assert openai_stub.paths == ["POST /v1/chat/completions"]


def test_ollama_replies_in_pieces_and_counts_them(
    ollama_stub: OllamaStub,
) -> None:
    answer = Answer()
    asyncio.run(ask_ollama(ollama_stub, "hello there", answer))
    assert answer.pieces == ["You", " said:", " hello", " there", ""]
    assert (answer.tokens, answer.finished) == (2 + 4, True)
    assert ollama_stub.bodies[0]["model"] == "llama3.2"


def test_both_reply_in_one_piece_and_list_their_models(
    openai_stub: OpenAIStub, ollama_stub: OllamaStub
) -> None:
    openai_stub.reply = ollama_stub.reply = lambda body: (
        f"{body['model']} says no"
    )
    ollama_stub.models = ["mistral:7b"]

    async def ask() -> None:
        async with openai.AsyncOpenAI(
            base_url=openai_stub.base_url, api_key="sk-stub"
        ) as client:
            completion = await client.chat.completions.create(
                model="stub", messages=[{"role": "user", "content": "yes?"}]
            )
            assert completion.choices[0].message.content == "stub says no"
            assert completion.usage
            assert completion.usage.total_tokens == 1 + 3
            assert [model.id async for model in client.models.list()] == [
                "stub"
            ]
        other = ollama.AsyncClient(ollama_stub.url)
        async with other:
            messages = [{"role": "user", "content": "yes?"}]
            response = await other.chat(model="mistral:7b", messages=messages)
            assert response.message.content == "mistral:7b says no"
            assert [model.model for model in (await other.list()).models] == [
                "mistral:7b"
            ]
            with pytest.raises(ollama.ResponseError, match="not found"):
                await other.chat(model="llama3.2", messages=messages)

    asyncio.run(ask())


OPENAI_FAULTS: dict[Fault, type[Exception]] = {
    "400": openai.BadRequestError,
    "401": openai.AuthenticationError,
    "404": openai.NotFoundError,
    "429": openai.RateLimitError,
    "quota": openai.RateLimitError,
    "500": openai.InternalServerError,
    "503": openai.InternalServerError,
    "hang": openai.APITimeoutError,
    "hang_in_the_middle": openai.APITimeoutError,
    "cut": openai.APIConnectionError,
    "error": openai.APIError,
    "garbage": json.JSONDecodeError,
}
OLLAMA_FAULTS: dict[Fault, type[Exception]] = {
    "400": ollama.ResponseError,
    "401": ollama.ResponseError,
    "404": ollama.ResponseError,
    "429": ollama.ResponseError,
    "quota": ollama.ResponseError,
    "500": ollama.ResponseError,
    "503": ollama.ResponseError,
    "hang": httpx.ReadTimeout,
    "hang_in_the_middle": httpx.ReadTimeout,
    "cut": httpx.RemoteProtocolError,
    "error": ollama.ResponseError,
    "garbage": json.JSONDecodeError,
    "html": json.JSONDecodeError,
}
IN_THE_MIDDLE = ("hang_in_the_middle", "cut", "error", "garbage")


def fails(
    ask: Callable[[Answer], Coroutine[None, None, None]],
    fault: Fault,
    error: type[Exception],
) -> None:
    answer = Answer()
    with pytest.raises(error) as caught:
        asyncio.run(ask(answer))
    assert caught.type is error
    assert "".join(answer.pieces) == (
        "You said:" if fault in IN_THE_MIDDLE else ""
    )
    assert not answer.finished


@pytest.mark.parametrize(("fault", "error"), OPENAI_FAULTS.items())
def test_openai_fails_as_it_is_told_to(
    openai_stub: OpenAIStub, fault: Fault, error: type[Exception]
) -> None:
    openai_stub.fault = fault
    fails(lambda answer: ask_openai(openai_stub, "hello", answer), fault, error)
    assert not openai_stub.next_request().wait_until_over()


@pytest.mark.parametrize(("fault", "error"), OLLAMA_FAULTS.items())
def test_ollama_fails_as_it_is_told_to(
    ollama_stub: OllamaStub, fault: Fault, error: type[Exception]
) -> None:
    ollama_stub.fault = fault
    fails(lambda answer: ask_ollama(ollama_stub, "hello", answer), fault, error)
    assert not ollama_stub.next_request().wait_until_over()


def test_some_faults_reach_no_client_as_an_error(
    openai_stub: OpenAIStub, ollama_stub: OllamaStub
) -> None:
    openai_stub.fault = ollama_stub.fault = "ends_early"
    early, early_too, nothing = Answer(), Answer(), Answer()
    asyncio.run(ask_openai(openai_stub, "hello", early))
    asyncio.run(ask_ollama(ollama_stub, "hello", early_too))
    openai_stub.fault = "html"
    asyncio.run(ask_openai(openai_stub, "hello", nothing))
    assert not any(a.finished for a in (early, early_too, nothing))
    assert nothing.pieces == []


def test_a_reply_may_be_empty_or_uncounted(
    openai_stub: OpenAIStub, ollama_stub: OllamaStub
) -> None:
    openai_stub.reply = ollama_stub.reply = ""
    openai_stub.reports_usage = ollama_stub.reports_usage = False
    one, other = Answer(), Answer()
    asyncio.run(ask_openai(openai_stub, "hello", one))
    asyncio.run(ask_ollama(ollama_stub, "hello", other))
    assert "".join(one.pieces + other.pieces) == ""
    assert one.finished
    assert other.finished
    assert one.tokens is other.tokens is None


def test_a_held_reply_goes_on_when_the_test_says_so(
    openai_stub: OpenAIStub,
) -> None:
    openai_stub.held = True
    openai_stub.reply = ["one ", "two ", "three"]

    async def ask() -> None:
        async with openai.AsyncOpenAI(
            base_url=openai_stub.base_url, api_key="sk-stub"
        ) as client:
            stream = await client.chat.completions.create(
                model="stub",
                messages=[{"role": "user", "content": "count"}],
                stream=True,
            )
            exchange = await asyncio.to_thread(openai_stub.next_request)
            words = (chunk.choices[0].delta.content async for chunk in stream)
            assert await anext(words) == ""
            exchange.step()
            assert await anext(words) == "one "
            waiting = asyncio.ensure_future(anext(words))
            assert not (await asyncio.wait([waiting], timeout=0.05))[0]
            exchange.release()
            assert [await waiting, *[word async for word in words]] == [
                "two ",
                "three",
                None,
            ]

    asyncio.run(ask())


@pytest.mark.parametrize("fault", ["hang", "hang_in_the_middle", None])
def test_a_hanging_stub_can_be_stopped(fault: Fault | None) -> None:
    async def ask(stub: OpenAIStub) -> None:
        asking = asyncio.ensure_future(ask_openai(stub, "hello", Answer()))
        await asyncio.to_thread(stub.next_request)
        started = time.perf_counter()
        await asyncio.to_thread(stub.__exit__, None, None, None)
        assert time.perf_counter() - started < 2
        with pytest.raises(openai.APIConnectionError):
            await asking

    stub = OpenAIStub()
    stub.fault, stub.held = fault, fault is None
    asyncio.run(ask(stub.__enter__()))
