"""Tokens, as the stages stream them from stubs and the local model."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from shared.ai import Prompt, model
from shared.settings import ROOT, Settings

from ..support.chat_model import run_replies, started_model, stream_reply
from ..support.conversation import Stub
from ..support.server_process import PATIENCE, Stage, environment
from ..support.stubs import OllamaStub

Change = Callable[..., Settings]


def last_part(question: str, stage: Stage) -> tuple[str, int]:
    """Return the last of what the stage's reply to a question yields."""
    (parts,) = run_replies(question, stage=stage.folder.name)
    return parts[-1]


@pytest.mark.stages(3)
@pytest.mark.each_provider
def test_supervised_yields_the_reported_tokens(
    stage: Stage, stub: Stub, setting: Change
) -> None:
    """Those of the prompt and of the reply, as the model reports them.

    As long as it does not, they are estimated, at four bytes a token.
    """
    setting(**stub.settings)
    prompt: Prompt = [
        {"role": "user", "content": each}
        for each in ("how are you?", "And you?")
    ]
    (parts,) = run_replies(prompt, stage=stage.folder.name)
    assert parts[-1] == ("You said: And you?", 5 + 4)
    growing = list(dict.fromkeys(part for part in parts[:-1] if part[0]))
    assert growing[:3] == [("You", 6), ("You said:", 8), ("You said: And", 9)]
    assert {text for text, _ in growing[3:]} == {"You said: And you?"}


@pytest.mark.stages(3)
@pytest.mark.each_provider
def test_token_counter_estimates_unreported_tokens(
    stage: Stage, stub: Stub, setting: Change
) -> None:
    """Also of letters that take several bytes, of which half may be missing.

    Nobody sees the reasoning, and it is paid for.
    """
    setting(**stub.settings)
    stub.reports_usage = False
    assert last_part("hello", stage) == ("You said: hello", 5)
    stub.reply = ["語語語", "\ud83d"]
    assert last_part("😀", stage) == ("語語語\ud83d", 4)
    if isinstance(stub, OllamaStub):
        stub.thoughts = ["hmm, " * 8]
        assert last_part("😀", stage) == ("語語語\ud83d", 4 + 10)


@pytest.mark.stages(5)
@pytest.mark.each_provider
def test_supervised_closes_an_abandoned_stream(
    stage: Stage, stub: Stub, setting: Change
) -> None:
    setting(**stub.settings)
    stub.held = True

    async def leave() -> None:
        async with started_model():
            stream = stream_reply("hello")
            first = asyncio.ensure_future(anext(stream))
            exchange = await asyncio.to_thread(stub.next_request)
            exchange.step()
            text, _ = await first
            while not text:
                text, _ = await anext(stream)
            await stream.aclose()
            assert not await asyncio.to_thread(exchange.wait_until_over)

    asyncio.run(leave())


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
            return str(model().client.base_url)

    assert asyncio.run(address()) == "https://api.openai.com/v1/"


# The local model


@pytest.mark.stages(5)
def test_local_model_reports_tokens(stage: Stage, setting: Change) -> None:
    setting(ai="local", ai_timeout=50)
    text, tokens = last_part("Say hello.", stage)
    assert text.strip()
    assert tokens > 10


def test_local_model_demands_its_key(
    setting: Change,
) -> None:
    setting(ai="local", ai_timeout=50)
    body = {"messages": [{"role": "user", "content": "hello"}]}

    def knock(**headers: str) -> int:
        data = json.dumps({**body, "max_tokens": 1}).encode()
        url = f"{str(model().client.base_url).rstrip('/')}/chat/completions"
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(Request(url, data, headers), timeout=50) as open:
                return int(open.status)
        except HTTPError as error:
            with error:
                return error.code

    async def go() -> None:
        async with started_model():
            await model().ready()
            key = model().client.api_key
            assert len(key) > 30
            assert model().client.base_url.host == "127.0.0.1"
            assert await asyncio.to_thread(knock) == 401
            wrong = {"Authorization": "Bearer no-key"}
            assert await asyncio.to_thread(knock, **wrong) == 401
            right = {"Authorization": f"Bearer {key}"}
            assert await asyncio.to_thread(knock, **right) == 200

    asyncio.run(go())


APP = """\
import asyncio
from shared.ai.chat_model import ChatModel

async def run():
    model = ChatModel()
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
