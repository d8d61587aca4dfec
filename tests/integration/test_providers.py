"""The habits of servers that speak OpenAI's language, and of Ollama.

Each file of tests/providers is played line by line by a server on a real
port, to openai's own client in a stage that runs.
"""

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from shared.ai import Prompt, chat_model, model
from shared.ai.error_messages import visitor_message
from shared.ai.provider import settings_remark
from shared.ai.streaming import MAX_REPLY_CHARACTERS, TOO_LONG
from shared.settings import Settings

from ..support.chat_model import run_replies, started_model
from ..support.conversation import (
    BROKEN,
    CUT,
    KEYLESS,
    MODELLESS,
    NOT_SET_UP,
    OTHER_WORDS,
    SILENT,
    ask,
    enter,
    hear_out,
)
from ..support.server_process import ROOT, ServerProcess, Stage, start
from ..support.stubs import Exchange, OllamaStub, OpenAIStub, lines
from ..unit.ai.test_streaming import Failing

pytestmark = pytest.mark.stages(3)
ONE_STAGE = pytest.mark.stages(5)
"""For tests that are slow, and of code that all stages share."""

FOLDER = ROOT / "tests" / "support" / "providers"
THOUGHTS = re.compile("think>|user wants|They want|count|greeting|haiku")
SLOW = "The AI took too long, so this reply ends here."
LIMIT = "Cut off at the model's limit."
FILTERED = "Cut off by the provider's content filter."

Serve = Callable[..., ServerProcess]
Change = Callable[..., Settings]


class Right(NamedTuple):
    """The right result: the text, how it ends, and the tokens reported."""

    text: str
    note: str | None = None
    why: str = ""
    tokens: int | None = 7


FAILED = Right("It began", why=CUT, tokens=None)
HAIKU = Right("Dolphins leap at dawn.")

RIGHT = {
    "choices-null-with-usage": Right("All good until usage."),
    "closed-without-done": Right("The whole answer is", why=CUT, tokens=None),
    "content-as-parts": Right("Hello to you all."),
    "control-events-only": Right("Only data is text."),
    "cut-by-another-name": Right("The limit has many", LIMIT),
    "cut-by-filter": Right("I was about to", FILTERED),
    "cut-by-length": Right("This sentence is cut in the mid", LIMIT),
    "data-null": Right("Before and after."),
    "delta-missing": Right("Colours are nice. And more follows."),
    "done-without-finish-reason": Right("The whole answer is forty-two."),
    "error-as-finish-reason": FAILED,
    "error-as-text": FAILED,
    "error-event": FAILED,
    "error-field": FAILED._replace(why=BROKEN),
    "error-object": FAILED._replace(why=BROKEN),
    "error-without-error": FAILED._replace(why=NOT_SET_UP),
    "finish-reason-empty": Right("Hello there."),
    "heartbeat-as-data": Right("Still alive."),
    "keepalive-comments": Right("A late answer."),
    "message-repeated-at-end": Right("Said once."),
    "moderation-first": Right("After the filter."),
    "no-done-but-finished": Right("It ends here."),
    "one-newline": Right("Lines follow lines."),
    "pretty-printed": Right("In many lines."),
    "reasoning-content": HAIKU,
    "reasoning-field": HAIKU,
    "refusal": Right("I’m sorry, but no."),
    "text-in-text": Right("As before chats."),
    "think-closed-only": HAIKU,
    "think-tags": HAIKU,
    "usage-every-time": Right("Each time a sum."),
    "usage-in-x-groq": Right("Counted elsewhere."),
    "usage-without-total": Right("Add it up."),
    "whole-object": Right("All at once."),
    "whole-object-and-done": Right("All at once."),
}


class Player(OpenAIStub):
    """Plays a body back, line by line; `answer` may take a request's place."""

    def __init__(self) -> None:
        super().__init__()
        self.body: bytes | None = None
        self.answer: Callable[[Request, Any], Response | None] | None = None

    def routes(self) -> list[Route]:
        """Its own, and the same without /v1."""
        again = Route("/{rest:path}", self.chat, methods=["POST"])
        return [*super().routes(), again]

    async def chat(self, request: Request) -> Response:
        """Answer with what is to be played."""
        body = await request.json()
        if self.answer and (answer := self.answer(request, body)):
            return answer
        return await super().chat(request)

    async def stream(  # type: ignore[override]
        self, exchange: Exchange
    ) -> AsyncIterator[str | bytes]:
        """Play the body, or answer as OpenAI does where there is none."""
        if self.body is None:
            async for event in super().stream(exchange):
                yield event
            return
        for line in self.body.splitlines(keepends=True):
            await exchange.turn()
            yield line
        exchange.complete = True

    def play(self, name: str) -> None:
        """Play a file of tests/providers for what follows."""
        self.body = (FOLDER / f"{name}.sse").read_bytes()
        whole = name == "whole-object"
        self.media_type = "application/json" if whole else "text/event-stream"


@pytest.fixture
def player() -> Iterator[Player]:
    with Player() as player:
        yield player


class Theatre(NamedTuple):
    """A stage that runs, the player behind it, and what it records."""

    running: ServerProcess
    player: Player
    record: Path


@pytest.fixture(scope="module")
def theatre(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    record = tmp_path_factory.mktemp("providers") / "replies.jsonl"
    record.touch()
    with Player() as player:
        settings = {**player.settings, "AI_RECORD": str(record)}
        with start(stage, **settings) as running:
            yield Theatre(running, player, record)


def test_providers_are_all_played_and_explained() -> None:
    names = {each.stem for each in FOLDER.glob("*.sse")}
    assert names == set(RIGHT)
    told = (FOLDER / "README.md").read_text("utf-8")
    assert names == set(re.findall(r"^\| `([\w-]+)`", told, re.M))


@pytest.mark.parametrize(
    ("name", "newline"),
    [
        *((name, b"\n") for name in RIGHT),
        ("think-tags", b"\r\n"),
        ("pretty-printed", b"\r\n"),
    ],
)
def test_providers_streams_have_the_right_result(
    theatre: Theatre, name: str, newline: bytes
) -> None:
    running, player, record = theatre
    player.play(name)
    assert player.body
    player.body = player.body.replace(b"\n", newline)
    right, logged = RIGHT[name], len(running.errors())
    recorded = len(record.read_text("utf-8").splitlines())
    counts = running.stage.level >= 4
    with ExitStack() as stack:
        ada = stack.enter_context(running.join())
        enter(ada)
        if counts:
            usage = stack.enter_context(running.join("total", "usage"))
            before = usage.next()["tally"]
        ada.say("Go on.")
        heard = hear_out(ada)
        if counts and right.tokens:
            tally = before
            while tally == before:  # the last test's may be told once more
                tally = usage.next()["tally"]
            assert tally - before == right.tokens
        player.body = None
        ada.say("And then?")
        hear_out(ada)
        if counts:  # or else the next test is told of it
            usage.next()
        prompt = json.dumps(player.bodies[-1], ensure_ascii=False)
    end = heard[-1]
    text, _, why = end["body"].partition("\n\n")
    assert (text.strip(), why) == (right.text, right.why)
    assert end.get("status") == ("failed" if right.why else None)
    assert end.get("note") == right.note
    assert (right.text in prompt) == (not right.why)
    assert "Cut off" not in prompt
    log = running.errors()[logged:]
    assert len(log.splitlines()) == bool(right.why), log
    assert "ai.py" not in log
    recordings = record.read_text("utf-8").splitlines()[recorded:]
    assert len(recordings) == 1 + (not right.why)
    told = [str(end), prompt, log, *recordings]
    if name != "think-closed-only":  # its end is the first that tells
        told += map(str, heard)
    assert not [each for each in told if THOUGHTS.search(each)]


# Prompts

ALTERNATE = (
    "After the optional system message, conversation roles must alternate "
    "user/assistant/user/assistant/..."
)


def is_judge(body: Any) -> bool:
    """Whether a prompt asks if the AI should reply."""
    return "YES or NO" in lines(body)[-1]


def decide(body: Any) -> str:
    """Reply as a judge, or as whoever replies."""
    return "**YES**" if is_judge(body) else "Hello."


def test_classifier_failure_is_broadcast(serve: Serve, player: Player) -> None:
    player.reply = decide
    player.answer = lambda _, body: (
        JSONResponse({}, 500) if is_judge(body) else None
    )
    chat = serve(**player.settings, SHOULD_REPLY="1")
    with chat.join() as ada, chat.join("party-chat") as ben:
        enter(ada), enter(ben)
        ada.say("Are you there?")
        for guest in (ada, ben):
            assert guest.wait_for("presenter")["judge"] == "failing"
        with chat.join() as eve:
            rules = eve.wait_for("history")["presenter"]
            assert rules == {"judge": "failing"}
        player.answer = None
        ada.say("And now?")
        assert ben.wait_for("presenter") == {"type": "presenter"}
        assert hear_out(ada)[-1]["body"] == "Hello."
    assert len(chat.errors().splitlines()) == 1


# Settings and optional fields

REFUSALS: dict[int, Any] = {
    400: {
        "error": {
            "message": "Unrecognized request argument: stream_options",
            "type": "invalid_request_error",
        }
    },
    422: {
        "object": "error",
        "message": {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options", "include_usage"],
                    "msg": "Extra inputs are not permitted",
                }
            ]
        },
    },
}


def refuse(
    player: Player, found: Callable[[Any], bool], answer: Response
) -> list[bool]:
    """Refuse the requests with something; return which of them had it."""
    refused = []

    def check(_: Request, body: Any) -> Response | None:
        refused.append(found(body))
        return answer if refused[-1] else None

    player.answer = check
    return refused


@pytest.mark.parametrize("status", REFUSALS)
def test_lenient_completions_leave_out_stream_options(
    player: Player,
    setting: Change,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """As by Azure and Mistral; tokens are estimated then."""
    answer = JSONResponse(REFUSALS[status], status)
    refused = refuse(player, lambda body: "stream_options" in body, answer)
    setting(**player.settings)
    first, second = run_replies("hello", "again")
    assert (first[-1][0], second[-1][0]) == (
        "You said: hello",
        "You said: again",
    )
    assert refused == [True, False, False]
    (line,) = caplog.messages
    assert "tokens are estimated" in line


def test_lenient_completions_leave_out_the_system_role(
    player: Player, setting: Change, caplog: pytest.LogCaptureFixture
) -> None:
    """As Gemma's template: "System role not supported"."""
    error = {"error": {"message": "System role not supported"}}
    refused = refuse(
        player,
        lambda body: "system" in [each["role"] for each in body["messages"]],
        JSONResponse(error, 400),
    )
    setting(**player.settings)
    prompt: Prompt = [
        {"role": "system", "content": "You are the AI."},
        {"role": "user", "content": "hello"},
    ]
    first, second = run_replies(prompt, prompt)
    assert first[-1][0] == second[-1][0] == "You said: hello"
    assert refused == [True, False, False]
    assert lines(player.bodies[1])[0] == "You are the AI."
    assert len(caplog.messages) == 1


NOWHERE = {
    "json": JSONResponse({"detail": "Not Found"}, 404),
    "page": HTMLResponse("<h1>404 page not found</h1>", 404),
    "app": HTMLResponse("<!doctype html><title>A web app</title>"),
    "method": JSONResponse({"detail": "Method Not Allowed"}, 405),
    "error": JSONResponse({"error": "Unexpected endpoint or method."}),
}


@pytest.mark.parametrize("kind", NOWHERE)
def test_log_message_names_a_base_url_without_its_version(
    player: Player,
    setting: Change,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    player.answer = lambda *_: NOWHERE[kind]
    setting(**player.settings | {"OPENAI_BASE_URL": player.url})
    assert run_replies("hello") == [[(NOT_SET_UP, -1)]]
    (line,) = caplog.messages
    assert "OPENAI_BASE_URL may lack /v1" in line


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OPENAI_API_KEY", "sk-0123\n", "KEY contains a newline"),
        ("OPENAI_API_KEY", "sk-01 23", "KEY contains a space"),
        ("OPENAI_API_KEY", "“sk-0123”", "KEY contains a curly quote"),
        ("OPENAI_API_KEY", "sk-0123é", "KEY contains a character that"),
        ("OPENAI_BASE_URL", "127.0.0.1:8000/v1", "URL is no address"),
        ("OPENAI_BASE_URL", "http://[::1/v1", "URL is no address"),
        (
            "OPENAI_BASE_URL",
            "http://127.0.0.1:9/v1/chat/completions",
            "URL has to end before /chat/completions",
        ),
    ],
)
def test_settings_problem_is_named_without_the_value(
    setting: Change, name: str, value: str, told: str
) -> None:
    remark = settings_remark(setting(**{name: value}))
    assert told in remark
    assert "0123" not in remark


@ONE_STAGE
def test_settings_problem_is_reported_at_start(
    serve: Serve, player: Player
) -> None:
    settings = player.settings | {"OPENAI_API_KEY": "sk-0123\n"}
    chat = serve(**settings, SHOULD_REPLY="1")
    assert chat.process.stdout
    assert "KEY contains a newline" in chat.process.stdout.readline()
    with chat.join() as ada:
        enter(ada)
        assert ask(ada, "hello")["body"] == NOT_SET_UP
    assert player.exchanges == []
    assert chat.errors() == ""


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "This model's maximum context length is 8192", OTHER_WORDS),
        (400, "The prompt triggered our content policy", OTHER_WORDS),
        (422, "Input is too long", OTHER_WORDS),
        (413, "Request Entity Too Large", OTHER_WORDS),
        (400, ALTERNATE, NOT_SET_UP),
        (400, "stub/one is not a valid model ID", NOT_SET_UP),
        (400, "Unsupported parameter: 'max_tokens'", NOT_SET_UP),
        (422, "Extra inputs are not permitted", NOT_SET_UP),
        (400, "System role not supported", NOT_SET_UP),
        (400, "API key not valid. Pass a valid API key.", KEYLESS),
        (404, "The model `stub` does not exist", MODELLESS),
    ],
)
def test_visitor_message_suggests_other_words_only_for_prompts(
    status: int, text: str, expected: str
) -> None:
    assert visitor_message(Failing(status, text)) == expected


# Silence


def test_watchdog_has_separate_timeouts(
    player: Player, setting: Change
) -> None:
    def reply(**timeouts: str) -> Any:
        setting(**player.settings, **timeouts)
        ((*_, (why, status)),) = run_replies("hello")
        assert status == -1
        return why

    run_replies("First, for what is imported then.")
    player.fault = "hang"
    assert reply(AI_FIRST_TOKEN_TIMEOUT="0.3") == SILENT
    player.fault = "hang_in_the_middle"
    assert reply(AI_FIRST_TOKEN_TIMEOUT="60", AI_TIMEOUT="0.3") == SILENT
    player.fault, player.delay = None, 0.1
    empty = {"choices": [{"index": 0, "delta": {"content": ""}}]}
    player.body = f"data: {json.dumps(empty)}\n\n".encode() * 1_000
    assert reply(AI_TIMEOUT="5", AI_REPLY_TIMEOUT="0.5") == SLOW


def test_watchdog_is_reset_by_comments(player: Player, setting: Change) -> None:
    """There are 80 lines of them."""
    player.play("keepalive-comments")
    player.delay = 0.02
    setting(**player.settings, AI_FIRST_TOKEN_TIMEOUT="1", AI_TIMEOUT="1")
    (parts,) = run_replies("Take your time.")
    assert parts[-1][0].strip() == "A late answer."


def test_chat_model_gives_local_models_time_to_load(setting: Change) -> None:
    def limit(kind: Any, answered: str = "", **values: Any) -> float:
        setting(**values)
        model = chat_model.ChatModel()
        model.kind = kind
        if answered:
            model.note_answer(answered)
        return model.first_token_timeout("stub")

    here, there = "http://localhost:8000/v1", "https://api.example.org/v1"
    assert limit("local") == limit("ollama") == 120
    assert limit("ollama", ollama_host="127.0.0.1") == 120
    assert limit("openai", openai_base_url=here) == 120
    assert limit("ollama", answered="another") == 120
    assert limit("ollama", answered="stub") == 30
    assert limit("openai") == limit("openai", openai_base_url=there) == 30
    assert limit("ollama", ollama_host="gpu.example.org:11434") == 30
    assert limit("ollama", ai_timeout=7) == 7
    assert limit("ollama", ai_timeout=7, ai_first_token_timeout=9) == 9


# Ollama


def test_chat_model_loads_ollama_models_at_start(
    ollama: OllamaStub, setting: Change
) -> None:
    setting(**ollama.settings, SHOULD_REPLY="1")

    async def start() -> None:
        async with started_model():
            assert model()._loading
            await model()._loading

    asyncio.run(start())
    assert ollama.loaded == ["mistral", "llama3.2"]


def test_ollama_reader_separates_reasoning_and_cuts(
    ollama: OllamaStub, setting: Change
) -> None:
    setting(**ollama.settings)
    ollama.thoughts = ["The user wants", " a haiku."]
    (first,) = run_replies("Think first.")
    ollama.thoughts = []
    ollama.reply = ["<thi", "nk>The user", " wants</thi", "nk>\n\n4"]
    ollama.done_reason = "length"
    (second,) = run_replies("And in tags?")
    ollama.reply = ["<think>The user wants"]
    (third,) = run_replies("And nothing else?")
    assert not THOUGHTS.search(str([first, second, third]))
    assert first[-1][0] == "You said: Think first."
    assert (second[-2][0], second[-1][0]) == ("4", LIMIT)
    assert {text for text, _ in third} == {"", LIMIT}


# Size

MEGABYTE = b"x" * 1_000_000
EVENTS = "text/event-stream"


async def endless() -> AsyncIterator[bytes]:
    """300 MB, in one line."""
    yield b"data: "
    for _ in range(300):
        yield MEGABYTE


def bomb() -> bytes:
    """The same, in 300 KB."""
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(b"data: ")]
    parts += [packer.compress(MEGABYTE) for _ in range(300)]
    return b"".join([*parts, packer.flush()])


def zipped(body: bytes) -> Response:
    """An event stream that is compressed, although nobody asked for that."""
    return Response(
        body, headers={"content-encoding": "gzip"}, media_type=EVENTS
    )


HUGE: dict[str, Callable[[], Response]] = {
    "line": lambda: StreamingResponse(endless(), media_type=EVENTS),
    "error": lambda: StreamingResponse(endless(), 500),
    "gzip": lambda: zipped(bomb()),
}


def asking(player: Player, client: str) -> dict[str, str]:
    """Return the settings with which a player answers as either."""
    ollama = {"AI": "ollama", "OLLAMA_HOST": player.url}
    return ollama if client == "ollama" else player.settings


@ONE_STAGE
@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_http_responses_bound_memory(
    serve: Serve,
    player: Player,
    memory: Callable[[ServerProcess], int],
    client: str,
) -> None:
    chat = serve(**asking(player, client))
    with chat.join() as ada:
        enter(ada)
        player.answer = lambda *_: JSONResponse({}, 500)
        ask(ada, "First, for what is imported then.")
        before = memory(chat)
        for kind, response in HUGE.items():
            player.answer = lambda *_: response()  # noqa: B023
            failed = ask(ada, "Go on.")
            assert failed["status"] == "failed"
            assert failed["body"] == (BROKEN if kind == "error" else CUT)
            assert memory(chat) - before < 40_000
    assert max(map(len, chat.errors().splitlines())) < 500


def test_supervised_cuts_a_huge_delta(player: Player, setting: Change) -> None:
    delta = {"content": "word " * 10_000_000}
    chunk = {"choices": [{"index": 0, "delta": delta}]}
    player.body = f"data: {json.dumps(chunk)}\n\n".encode()
    setting(**player.settings)
    ((*parts, cut),) = run_replies("Go on.")
    assert max(len(text) for text, _ in parts) == MAX_REPLY_CHARACTERS
    assert cut == (TOO_LONG, -2)


def test_http_responses_decompress_streams(
    player: Player, setting: Change
) -> None:
    player.play("think-tags")
    assert player.body
    packed = gzip.compress(player.body)
    player.answer = lambda *_: zipped(packed)
    setting(**player.settings)
    (parts,) = run_replies("hello")
    assert parts[-1][0].strip() == HAIKU.text


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_http_responses_refuse_redirects_to_other_hosts(
    player: Player,
    openai: OpenAIStub,
    setting: Change,
    caplog: pytest.LogCaptureFixture,
    client: str,
) -> None:
    elsewhere = f"http://localhost:{openai.port}/v1/chat/completions"
    player.answer = lambda *_: RedirectResponse(elsewhere, 307)
    setting(**asking(player, client))
    assert run_replies("This is private.") == [[(NOT_SET_UP, -1)]]
    assert openai.paths == []
    (line,) = caplog.messages
    assert "127.0.0.1 redirects to localhost" in line


def test_http_responses_follow_redirects_to_the_same_host(
    player: Player, setting: Change
) -> None:
    there = f"{player.base_url}/chat/completions"
    player.answer = lambda request, _: (
        RedirectResponse(there, 308) if "old" in request.url.path else None
    )
    setting(**player.settings | {"OPENAI_BASE_URL": f"{player.url}/old/v1"})
    (parts,) = run_replies("hello")
    assert parts[-1][0] == "You said: hello"
