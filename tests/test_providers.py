"""The habits of servers that speak OpenAI's language, and of Ollama.

Each file of tests/providers is played line by line by a server on a real
port, to openai's own client in a stage that runs.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.requests import Request
from starlette.responses import (
    Response,
)
from starlette.routing import Route

from .running import Guest, Running, Stage, start
from .stubs import Exchange, OpenAIStub
from .test_ai import (
    BROKEN,
    CUT,
    enter,
    hear_out,
    using,
)

pytestmark = pytest.mark.stages(3)

FOLDER = Path(__file__).with_name("providers")
THOUGHTS = re.compile("think>|user wants|They want|count|greeting|haiku")
NOT_SET_UP = "The AI is not set up right here, so it cannot answer."
SLOW = "The AI took too long, so this reply ends here."
LIMIT = "Cut off at the model's limit."
FILTERED = "Cut off by the provider's content filter."
OURS = "Cut off: a reply has at most 20,000 characters."

Serve = Callable[..., Running]


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
    "error-event": FAILED,
    "error-field": FAILED._replace(why=BROKEN),
    "error-object": FAILED._replace(why=BROKEN),
    "error-without-error": FAILED._replace(why=NOT_SET_UP),
    "finish-reason-empty": Right("Hello there."),
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
        self.encoding = "identity"

    def routes(self) -> list[Route]:
        """Its own, and the same without /v1."""
        again = Route("/{rest:path}", self.chat, methods=["POST"])
        return [*super().routes(), again]

    async def chat(self, request: Request) -> Response:
        """Answer with what is to be played."""
        body = await request.json()
        if self.answer and (answer := self.answer(request, body)):
            return answer
        response = await super().chat(request)
        response.headers["content-encoding"] = self.encoding
        return response

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

    running: Running
    player: Player
    record: Path


@pytest.fixture(scope="module")
def theatre(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    record = tmp_path_factory.mktemp("providers") / "replies.jsonl"
    record.touch()
    with Player() as player:
        settings = {**using(player), "AI_RECORD": str(record)}
        with start(stage, **settings) as running:
            yield Theatre(running, player, record)


def tally(guest: Guest) -> int:
    """Wait for the next tally."""
    return int(guest.next()["tally"])


def test_each_file_of_the_providers_is_played_and_explained() -> None:
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
def test_a_providers_habit_has_the_right_result(
    theatre: Theatre, name: str, newline: bytes
) -> None:
    """Seen to catch: openai's chunks as they come, without shared/ai/chunks."""
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
            assert usage.next()["tally"] - before == right.tokens
        player.body = None
        ada.say("And then?")
        hear_out(ada)
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
