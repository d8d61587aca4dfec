"""The parts of shared/ai: queue, prompts, messages, tokens, providers."""

import asyncio
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared.ai import (
    Prompt,
    ReplyFailed,
    Stream,
    failure_message,
    make_prompt,
    model,
    one_reply_at_a_time,
    supervised,
)
from shared.ai.context import AppContext
from shared.ai.error_messages import visitor_message
from shared.ai.prompts import MAX_PROMPT_MESSAGES
from shared.ai.provider import detect_provider, has_model
from shared.ai.streaming import MAX_REPLY_CHARACTERS, TOO_LONG, ReplyCut
from shared.chat.messages import AIMessage, Message
from shared.party import Room, Server
from shared.party.registry import PartyRegistry
from shared.settings import ROOT, Settings

from ..support.server_process import PATIENCE, Stage, environment
from ..support.stubs import Fault, OllamaStub, OpenAIStub, serve

Change = Callable[..., Settings]


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Set what shared/ai is to read, whatever a developer has set."""
    for name in set(os.environ) - set(environment({})):
        monkeypatch.delenv(name)

    def change(**values: Any) -> Settings:
        settings = Settings(_env_file=None, **values)
        for name in (
            "chat_model",
            "clients",
            "streaming",
            "question_queue",
        ):
            module = importlib.import_module(f"shared.ai.{name}")
            monkeypatch.setattr(module, "settings", lambda: settings)
        return settings

    return change


# Turns


class Answering(Server):
    """Answers questions in turn, when it is told to go on."""

    def __init__(self) -> None:
        parties = PartyRegistry({}, context=AppContext())
        super().__init__(Room("chat", "1", parties.context))
        self.answered: list[str] = []
        self.at_work = 0
        self.may_go_on = asyncio.Event()

    @one_reply_at_a_time
    async def answer(self, question: str) -> None:
        self.at_work += 1
        assert self.at_work == 1
        await self.may_go_on.wait()
        self.answered.append(question)
        self.at_work -= 1
        if question.startswith("bad"):
            raise ValueError(question)


async def started(room: Answering, *questions: str) -> list[asyncio.Task[None]]:
    """Ask questions, all at once."""
    tasks = [asyncio.create_task(room.answer(each)) for each in questions]
    for _ in range(
        10
    ):  # turns of the loop, in which each gets as far as it can
        await asyncio.sleep(0)
    return tasks


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something that answers, as far as turns are concerned."""
    monkeypatch.setattr(model, "kind", "openai")


def test_question_queue_is_unused_without_an_ai() -> None:
    """Else the whole prompt would be put together, for each message."""

    async def ask() -> None:
        room = Answering()
        await asyncio.gather(room.answer("a"), room.answer("b"))
        assert room.answered == []

    asyncio.run(ask())


@pytest.mark.usefixtures("answered")
def test_question_queue_runs_one_reply_at_a_time() -> None:
    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abcde")
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == list("abcde")

    asyncio.run(ask())


@pytest.mark.usefixtures("answered")
def test_question_queue_replaces_its_last_question() -> None:
    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abcdefghij")
        assert [task.done() for task in tasks] == [False] * 6 + [True] * 4
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == list("abcdej")

    asyncio.run(ask())


@pytest.mark.usefixtures("answered")
def test_question_queue_size_is_a_setting(setting: Change) -> None:
    setting(max_queued_questions=2)

    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abcde")
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == list("abe")

    asyncio.run(ask())


@pytest.mark.usefixtures("answered")
def test_question_queue_goes_on_after_a_failure() -> None:
    async def ask() -> None:
        room = Answering()
        tasks = await started(room, "a", "bad b", "c", "d", "e", "f", "g")
        tasks[0].cancel()
        tasks[2].cancel()
        room.at_work = 0
        room.may_go_on.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert room.answered == ["bad b", "d", "e", "g"]
        kinds = [type(end) for end in ends if end]
        cancelled = asyncio.CancelledError
        assert kinds == [cancelled, ValueError, cancelled]
        await room.answer("at last")
        assert room.answered[-1] == "at last"

    asyncio.run(ask())


@pytest.mark.usefixtures("answered")
def test_question_queue_belongs_to_one_room() -> None:
    async def ask() -> None:
        one, other = Answering(), Answering()
        tasks = await started(one, "a")
        other.may_go_on.set()
        await other.answer("b")
        assert other.answered == ["b"]
        one.may_go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(ask())


# Prompts


def said(*bodies: str) -> list[Message]:
    """Messages of people, in the order of their sequence numbers."""
    return [
        Message(id=str(seq), seq=seq, user="Ada", body=body)
        for seq, body in enumerate(bodies)
    ]


def test_make_prompt_has_instructions_and_the_question() -> None:
    messages = said("one", "two", "three")
    messages[1] = AIMessage(id="1", seq=1, body="two", status=None)
    assert make_prompt(messages, messages[2]) == [
        {"role": "system", "content": model.instructions},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]


@pytest.mark.parametrize(
    "status", ["thinking", "streaming", "failed", "interrupted"]
)
def test_make_prompt_leaves_out_unfinished_messages(status: Any) -> None:
    messages = said("one", "two", "three")
    messages[1] = AIMessage(id="1", seq=1, body="two", status=status)
    prompt = make_prompt(messages, messages[2])
    assert [each["content"] for each in prompt[1:]] == ["one", "three"]


def test_make_prompt_keeps_names_on_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A log may hold names from before they were refused."""
    monkeypatch.setattr(model, "prefix_names", True)
    messages = said("one", "two")
    messages[0].user = "Eve: hi\nAI\u2028Bob"
    prompt = make_prompt(messages, messages[1])
    contents = [each["content"] for each in prompt[1:]]
    assert contents == ["Eve: hi AI Bob: one", "Ada: two"]


def test_make_prompt_includes_later_replies() -> None:
    """They answer what was said before, while this one waited."""
    messages = said("one", "two", "and three")
    reply = AIMessage(id="r", seq=3, body="one it is", status=None)
    messages.append(reply)
    prompt = make_prompt(messages, messages[1])
    contents = [each["content"] for each in prompt[1:]]
    assert contents == ["one", "one it is", "two"]


def test_make_prompt_limits_its_messages() -> None:
    messages = said(*(f"{number}" for number in range(50)))
    prompt = make_prompt(messages, messages[-1])
    assert len(prompt) == 1 + MAX_PROMPT_MESSAGES == 21
    contents = [each["content"] for each in prompt[1:]]
    assert contents == [f"{number}" for number in range(30, 50)]


def test_make_prompt_reads_only_the_end_of_a_log() -> None:
    class Log(list[Message]):
        def __reversed__(self) -> Iterator[Message]:
            for looked_at, message in enumerate(super().__reversed__()):
                assert looked_at <= MAX_PROMPT_MESSAGES
                yield message

        __iter__ = None  # type: ignore[assignment]

    messages = Log(said(*["hello"] * 1_000))
    assert len(make_prompt(messages, messages[-1])) == MAX_PROMPT_MESSAGES + 1


@pytest.mark.parametrize("letter", ["x", "ж", "語", "😀"])
def test_make_prompt_limits_its_bytes(
    letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in bytes, as one letter of these may be several tokens."""
    monkeypatch.setattr(model, "context_bytes", 1_000)
    fits = 400 // len(letter.encode())
    messages = said(*[letter * fits] * 5, "the end")
    contents = [each["content"] for each in make_prompt(messages, messages[-1])]
    assert contents[1:] == [letter * fits, letter * fits, "the end"]


def test_make_prompt_keeps_a_long_question() -> None:
    messages = said("before", "x" * 50_000, "after")
    prompt = make_prompt(messages, messages[1])
    assert [each["content"] for each in prompt[1:]] == ["x" * 50_000]
    prompt = make_prompt(messages, messages[2])
    assert [each["content"] for each in prompt[1:]] == ["after"]


# The ends of a reply


def written(text: str = "") -> AIMessage:
    reply = AIMessage()
    reply.set_text(text)
    return reply


def test_ai_message_thinks_streams_and_finishes() -> None:
    reply = AIMessage()
    assert (reply.user, reply.role) == ("AI", "assistant")
    assert (reply.body, reply.status) == ("Thinking…", "thinking")
    reply.set_text("")
    assert (reply.body, reply.status) == ("Thinking…", "thinking")
    reply.set_text("It is")
    assert (reply.body, reply.status) == ("It is", "streaming")
    reply.set_text("It is four.")
    reply.finish()
    assert (reply.body, reply.status) == ("It is four.", None)


def test_ai_message_that_fails_keeps_its_text() -> None:
    for reply, body in [(written("It is"), "It is\n\nNo."), (written(), "No.")]:
        reply.fail(failure_message(ReplyFailed("No.")))
        assert (reply.body, reply.status) == (body, "failed")


def test_ai_message_that_is_cancelled_is_interrupted() -> None:
    reply = written("It is")
    reply.interrupt()
    assert (reply.body, reply.status) == ("It is", "interrupted")


def test_failure_message_hides_programming_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert "the secret" not in failure_message(RuntimeError("the secret"))
    assert "the secret" in caplog.text


class Failing(Exception):
    """An error of a client, with a status, a name and a text."""

    def __init__(self, status_code: int | None, text: str = "a secret") -> None:
        super().__init__(text)
        if status_code is not None:
            self.status_code = status_code


class ReadTimeout(Exception):
    """The timeout of httpx, which is no TimeoutError."""


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (Failing(401), "key"),
        (Failing(403), "key"),
        (Failing(404), "does not have the model"),
        (Failing(429), "too much to do"),
        (Failing(400), "other words"),
        (Failing(413), "other words"),
        (Failing(500), "problem of its own"),
        (Failing(-1), "problem of its own"),
        (Failing(None), "connection"),
        (ConnectionRefusedError("a secret"), "connection"),
        (TimeoutError("a secret"), "silent"),
        (ReadTimeout("a secret"), "silent"),
        (ModuleNotFoundError("a secret"), "installed"),
    ],
    ids=repr,
)
def test_visitor_message_explains_failures(
    error: Exception, found: str
) -> None:
    text = visitor_message(error)
    assert found in text
    assert "secret" not in text
    assert not any(letter.isdigit() for letter in text)
    assert text.endswith(".")


ASKED: Prompt = [{"role": "user", "content": "What is two and two?"}]


async def collect(stream: Stream) -> list[tuple[str, int]]:
    """All that a stream yields; its failure comes last, in words."""
    parts: list[tuple[str, int]] = []
    try:
        async for part in stream:
            parts.append(part)
    except ReplyFailed as failure:
        parts.append((str(failure), -1))
    except ReplyCut as cut:
        parts.append((str(cut), -2))
    return parts


def test_log_message_is_one_line(
    caplog: pytest.LogCaptureFixture, setting: Change
) -> None:
    setting()

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        raise Failing(502, "<html>\n<h1>Bad gateway</h1>\n" + "x" * 5_000)

    parts = asyncio.run(collect(stream(ASKED)))
    assert parts == [("It is", 3), (visitor_message(Failing(502)), -1)]
    (record,) = caplog.records
    assert record.exc_info is None
    line = record.getMessage()
    assert line.startswith(
        "a reply failed: Failing: <html> <h1>Bad gateway</h1> x"
    )
    assert "\n" not in line
    assert len(line) < 400


def test_log_message_names_the_line_of_a_programming_error(
    caplog: pytest.LogCaptureFixture, setting: Change
) -> None:
    """And is not blamed on the connection."""
    setting()

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        json.dumps(object())

    parts = asyncio.run(collect(stream(ASKED)))
    assert parts[-1] == ("Something went wrong with this reply. Try again.", -1)
    (record,) = caplog.records
    assert re.fullmatch(
        r"a reply failed: test_ai_parts.py, line \d+: TypeError: .+",
        record.getMessage(),
    )


def test_supervised_times_out_when_the_model_is_silent(setting: Change) -> None:
    """Also one whose connection lives, so that its client goes on waiting."""
    setting(ai_timeout=0.05)

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        yield "It is", 3
        await asyncio.Event().wait()

    parts = asyncio.run(asyncio.wait_for(collect(stream(ASKED)), PATIENCE))
    assert parts == [("It is", 3), (visitor_message(TimeoutError()), -1)]


def test_supervised_cuts_an_endless_reply(setting: Change) -> None:
    setting()
    closed = []

    @supervised
    async def stream(prompt: Prompt) -> Stream:
        text = ""
        try:
            while True:
                text += "and so on "
                yield text, 0
        finally:
            closed.append(True)

    parts = asyncio.run(collect(stream(ASKED)))
    assert len(parts[-2][0]) == MAX_REPLY_CHARACTERS
    assert parts[-1] == (TOO_LONG, -2)
    assert closed == [True]


# Tokens


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


# The choice


def test_detect_provider_obeys_the_ai_setting(setting: Change) -> None:
    everything = {
        "openai_api_key": "sk-test",
        "openai_base_url": "http://127.0.0.1:9",
        "ollama_host": "http://127.0.0.1:9",
    }
    for ai in ("openai", "ollama", "local", "none"):
        assert detect_provider(setting(ai=ai, **everything)) == ai
        assert detect_provider(setting(ai=ai)) == ai


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"openai_api_key": "sk-test"}, "openai"),
        ({"openai_base_url": "http://127.0.0.1:9/v1"}, "openai"),
        ({"openai_api_key": "k", "ollama_host": "there"}, "openai"),
        ({"ollama_host": "http://127.0.0.1:9"}, "ollama"),
        ({}, "local"),
    ],
)
def test_detect_provider_follows_other_settings(
    setting: Change,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setattr("shared.ai.provider.has_model", lambda name: False)
    assert detect_provider(setting(**given)) == expected


def test_detect_provider_finds_a_running_ollama(
    setting: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OllamaStub() as ollama:
        monkeypatch.setattr(
            "shared.ai.provider.has_model",
            lambda name: has_model(name, ollama.url),
        )
        assert detect_provider(setting()) == "ollama"
        assert detect_provider(setting(ollama_model="mistral")) == "ollama"
        assert detect_provider(setting(ollama_model="not-pulled")) == "local"
        assert detect_provider(setting(openai_api_key="sk-test")) == "openai"
        assert detect_provider(setting(ai="none")) == "none"
        assert ollama.exchanges == []


def test_has_model_knows_pulled_models() -> None:
    with OllamaStub() as ollama:
        ollama.models = ["llama3.2:latest", "mistral:7b"]
        assert has_model("llama3.2", ollama.url)
        assert has_model("llama3.2:latest", ollama.url)
        assert has_model("mistral:7b", ollama.url)
        assert not has_model("mistral", ollama.url)
        assert not has_model("llama3", ollama.url)
        ollama.models = []
        assert not has_model("llama3.2", ollama.url)
        ollama.fault = "500"
        assert not has_model("llama3.2", ollama.url)
    assert not has_model("llama3.2", ollama.url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<p>A web page",
        "[]",
        "null",
        "{}",
        '{"models": null}',
        '{"models": [null]}',
        '{"models": [{}]}',
        '{"models": [{"name": {}}]}',
        '{"models": "llama3.2"}',
    ],
)
def test_has_model_ignores_other_answers(text: str) -> None:
    async def tags(request: Asked) -> Response:
        return PlainTextResponse(text)

    with serve(Starlette(routes=[Route("/api/tags", tags)])) as port:
        assert not has_model("llama3.2", f"http://127.0.0.1:{port}")


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Somebody who answers whatever is asked with those bytes, once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65_536)
                caller.sendall(reply)
                if not reply:
                    caller.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"",
    ],
    ids=["another protocol", "cut", "no chunk", "silence"],
)
def test_has_model_ignores_other_protocols(reply: bytes) -> None:
    with answering(reply) as url:
        assert not has_model("llama3.2", url)


def test_has_model_uses_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OllamaStub() as ollama, OllamaStub() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        ollama.models = []
        assert not has_model("llama3.2", ollama.url)
        assert len(ollama.paths) == 1
        assert proxy.paths == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"AI": "none"}, "none"),
        ({"AI": "", "OPENAI_API_KEY": "sk-test"}, "openai"),
        ({"AI": "local", "OPENAI_API_KEY": "sk-test"}, "local"),
    ],
)
def test_provider_command_prints_the_provider(
    settings: dict[str, str], expected: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tools.provider"],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert told.stdout.split() == [expected]
    assert told.stderr == ""
