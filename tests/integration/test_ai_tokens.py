"""Tokens, as the stages stream them from stubs and the local model."""

import asyncio
import importlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from shared.ai import (
    Prompt,
    Stream,
    model,
)
from shared.settings import ROOT, Settings

from ..support.server_process import PATIENCE, Stage, environment
from ..support.stubs import Fault, OllamaStub, OpenAIStub
from ..unit.ai.test_streaming import collect

Change = Callable[..., Settings]


@asynccontextmanager
async def started_model() -> AsyncIterator[None]:
    """The model of this process, as if an app had started it."""
    model.__init__()  # type: ignore[misc]
    try:
        await model.start()
        await model.ready()
        yield
    finally:
        await model.stop()
        model.__init__()  # type: ignore[misc]


def ask(stage: Stage, *prompt: str) -> list[tuple[str, int]]:
    """Return all that the stage's `stream_reply` yields for a prompt."""

    async def go() -> list[tuple[str, int]]:
        async with started_model():
            return await collect(stream_of(stage, *prompt))

    return asyncio.run(go())


def stream_of(stage: Stage, *prompt: str) -> Stream:
    """The stage's own stream of a reply."""
    ai = importlib.import_module(f"{stage.folder.name}.party.ai")
    messages: Prompt = [{"role": "user", "content": each} for each in prompt]
    stream: Stream = ai.stream_reply(messages)
    return stream


@pytest.fixture(params=[OpenAIStub, OllamaStub])
def stub(
    request: pytest.FixtureRequest, setting: Change
) -> Iterator[OpenAIStub | OllamaStub]:
    """A model behind the stage's own code, in this process."""
    with request.param() as stub:
        if isinstance(stub, OpenAIStub):
            setting(ai="openai", openai_base_url=stub.base_url, ai_timeout=5)
        else:
            setting(ai="ollama", ollama_host=stub.url, ai_timeout=5)
        yield stub


@pytest.mark.stages(3)
def test_supervised_yields_the_reported_tokens(
    stage: Stage, stub: OpenAIStub | OllamaStub
) -> None:
    """Those of the prompt and of the reply, as the model reports them.

    As long as it does not, they are estimated, at four bytes a token.
    """
    parts = ask(stage, "how are you?", "And you?")
    assert parts[-1] == ("You said: And you?", 5 + 4)
    growing = list(dict.fromkeys(part for part in parts[:-1] if part[0]))
    assert growing[:3] == [("You", 6), ("You said:", 8), ("You said: And", 9)]
    assert {text for text, _ in growing[3:]} == {"You said: And you?"}


@pytest.mark.stages(3)
def test_token_counter_estimates_unreported_tokens(
    stage: Stage, stub: OpenAIStub | OllamaStub
) -> None:
    """Also of letters that take several bytes, of which half may be missing."""
    stub.reports_usage = False
    assert ask(stage, "hello")[-1] == ("You said: hello", 5)
    stub.reply = ["語語語", "\ud83d"]
    assert ask(stage, "😀")[-1] == ("語語語\ud83d", 4)


@pytest.mark.stages(3)
def test_token_counter_includes_reasoning(
    stage: Stage, setting: Change
) -> None:
    """Nobody sees it, and it is paid for."""
    with OllamaStub() as stub:
        setting(ai="ollama", ollama_host=stub.url, ai_timeout=5)
        stub.reports_usage, stub.thoughts = False, ["hmm, " * 8]
        assert ask(stage, "hello")[-1] == ("You said: hello", 5 + 10)


@pytest.mark.stages(3)
@pytest.mark.parametrize("fault", ["401", "cut", "error", "garbage"])
def test_token_counter_counts_failed_replies(
    stage: Stage, stub: OpenAIStub | OllamaStub, fault: Fault
) -> None:
    """They are estimated, as both report them at the end."""
    stub.fault = fault
    *parts, (why, failed) = ask(stage, "hello")
    assert failed == -1
    assert why.endswith(".")
    expected = [] if fault == "401" else [("You said:", 4)]
    assert parts[-1:] == expected


@pytest.mark.stages(3)
def test_supervised_closes_an_abandoned_stream(
    stage: Stage, stub: OpenAIStub | OllamaStub
) -> None:
    stub.held = True
    steps = threading.Thread(target=lambda: stub.next_request().step(1))
    steps.start()

    async def leave() -> None:
        async with started_model():
            stream = stream_of(stage, "hello")
            while await anext(stream) != ("You", 2):
                pass
            await stream.aclose()
            over = stub.exchanges[0].wait_until_over
            assert not await asyncio.to_thread(over)

    asyncio.run(leave())
    steps.join()


def test_openai_client_has_a_default_url(
    setting: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OPENAI_BASE_URL= make …` empties it, which the client alone takes for
    an address.
    """
    setting(ai="openai", openai_api_key="sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", "")

    async def address() -> str:
        async with started_model():
            return str(model.client.base_url)

    assert asyncio.run(address()) == "https://api.openai.com/v1/"


# The local model


@pytest.mark.stages(3)
def test_local_model_reports_tokens(stage: Stage, setting: Change) -> None:
    setting(ai="local", ai_timeout=50)
    text, tokens = ask(stage, "Say hello.")[-1]
    assert text.strip()
    assert tokens > 10


def test_local_model_demands_its_key(
    setting: Change,
) -> None:
    setting(ai="local", ai_timeout=50)
    body = {"messages": [{"role": "user", "content": "hello"}]}

    def knock(**headers: str) -> int:
        data = json.dumps({**body, "max_tokens": 1}).encode()
        url = f"{str(model.client.base_url).rstrip('/')}/chat/completions"
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(Request(url, data, headers), timeout=50) as open:
                return int(open.status)
        except HTTPError as error:
            with error:
                return error.code

    async def go() -> None:
        async with started_model():
            key = model.client.api_key
            assert len(key) > 30
            assert model.client.base_url.host == "127.0.0.1"
            assert await asyncio.to_thread(knock) == 401
            wrong = {"Authorization": "Bearer no-key"}
            assert await asyncio.to_thread(knock, **wrong) == 401
            right = {"Authorization": f"Bearer {key}"}
            assert await asyncio.to_thread(knock, **right) == 200

    asyncio.run(go())


APP = """\
import asyncio
from shared.ai import model

async def run():
    await model.start()
    await model.ready()
    print(model.client.base_url.port, flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


def test_local_model_ends_when_its_app_is_killed() -> None:
    app = subprocess.Popen(
        [sys.executable, "-c", APP],
        cwd=ROOT,
        env=environment({"AI": "local"}),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert app.stdout
    with app.stdout:
        port = int(app.stdout.readline())
        app.kill()
        app.wait()
    deadline = time.monotonic() + PATIENCE
    while accepts(port):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
