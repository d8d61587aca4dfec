"""Tokens a day: how they are counted, and what happens when they are spent."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shared.ai import Prompt, ReplyFailed, Stream, supervised
from shared.ai.context import AppContext
from shared.ai.tokens import BUDGET_EXHAUSTED, Budget, DailyUsage
from shared.chat.messages import AIMessage
from shared.party import Log
from shared.party.registry import PartyRegistry
from shared.settings import Settings

from ..support.conversation import ask
from ..support.server_process import PATIENCE, ServerProcess
from ..support.stubs import OllamaStub, OpenAIStub

Serve = Callable[..., ServerProcess]
Change = Callable[..., Settings]

ASKED: Prompt = [{"role": "user", "content": "What is two and two?"}]
JUDGED: Prompt = [*ASKED, {"role": "system", "content": "Is it for the AI?"}]
WARNING = "DAILY_TOKEN_BUDGET is used up until midnight (UTC)"


@pytest.fixture
def budget(context: AppContext) -> Budget:
    """The budget that replies count for."""
    return context.budget


@pytest.fixture
def days(budget: Budget, setting: Change) -> Log[DailyUsage]:
    """The log of that budget, of 40 tokens a day."""
    setting(daily_token_budget=40)
    log = PartyRegistry({}).store.log("ai", "tokens", DailyUsage)
    budget.start(log)
    return log


def kept(log: Log[DailyUsage]) -> list[tuple[int, bool, int]]:
    """Of each reply: its tokens, whether they are a guess, the day's total."""
    return [(each.tokens, each.estimated, each.total) for each in log]


@supervised
async def reply(
    prompt: Prompt, *parts: tuple[str, int] | BaseException
) -> Stream:
    """A model that says this, and takes so many tokens, or fails."""
    for part in parts:
        if isinstance(part, BaseException):
            raise part
        yield part


async def hear(stream: Stream) -> tuple[str, int]:
    """All that a reply says, and the tokens that it took."""
    heard = "", 0
    async for heard in stream:
        pass
    return heard


# Counting


def test_budget_adds_replies_to_the_days_total(
    budget: Budget, days: Log[DailyUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next day begins at nothing."""

    async def talk() -> None:
        monkeypatch.setattr("shared.ai.tokens.today", lambda: date(2026, 1, 1))
        assert await hear(reply(ASKED, ("It", 0), ("It is", 28))) == (
            "It is",
            28,
        )
        assert not budget.exhausted
        await hear(reply(ASKED, ("Four.", 12)))
        assert budget.exhausted
        monkeypatch.setattr("shared.ai.tokens.today", lambda: date(2026, 1, 2))
        assert not budget.exhausted
        await hear(reply(ASKED, ("Four.", 39)))
        assert not budget.exhausted

    asyncio.run(talk())
    assert kept(days) == [(28, False, 28), (12, False, 40), (39, False, 39)]


def test_daily_usage_has_the_date_in_utc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = []
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        here.append(DailyUsage(tokens=1, estimated=False).day)
    monkeypatch.undo()
    time.tzset()
    assert here[0] == here[1] == datetime.now(UTC).date()


@pytest.mark.parametrize("end", ["silent", "fails", "is closed", "is cut"])
def test_budget_counts_a_reply_however_it_ends(
    days: Log[DailyUsage], end: str
) -> None:
    """By an estimate, where nothing was reported: 25 bytes are 7 tokens."""

    async def talk() -> None:
        if end == "silent":
            await hear(reply(ASKED, ("It is", 0)))
        elif end == "fails":
            with pytest.raises(ReplyFailed):
                await hear(reply(ASKED, ("It is", 0), ConnectionError()))
        elif end == "is closed":
            async with aclosing(reply(ASKED, ("It is", 0))) as stream:
                assert await anext(stream) == ("It is", 7)
        else:
            written = AIMessage()
            stream = reply(ASKED, ("It is", 0), asyncio.CancelledError())
            try:
                async for text, _ in stream:
                    written.set_text(text)
            except asyncio.CancelledError:
                written.interrupt()
            assert (written.body, written.status) == ("It is", "interrupted")

    asyncio.run(talk())
    assert kept(days) == [(7, True, 7)]


def test_budget_prefers_reported_tokens(
    days: Log[DailyUsage],
) -> None:
    """Also where the reply fails afterwards."""
    parts = [("It", 0), ("It is", 9), ("It is four", 0)]
    assert asyncio.run(hear(reply(ASKED, *parts))) == ("It is four", 9)
    with pytest.raises(ReplyFailed):
        asyncio.run(hear(reply(ASKED, *parts, ConnectionError())))
    assert kept(days) == [(9, False, 9), (9, False, 18)]


def test_budget_ignores_a_reply_that_never_began(days: Log[DailyUsage]) -> None:
    with pytest.raises(ReplyFailed):
        asyncio.run(hear(reply(ASKED, ConnectionError())))
    assert kept(days) == []


def test_budget_counts_a_cancelled_reply_once(
    budget: Budget, days: Log[DailyUsage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the app's end waits for that."""

    async def talk() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()
        append = days.append

        async def slowly(day: DailyUsage) -> None:
            begun.set()
            await may_end.wait()
            await append(day)

        monkeypatch.setattr(days, "append", slowly)
        task = asyncio.create_task(hear(reply(ASKED, ("Four.", 12))))
        await begun.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert kept(days) == []
        stopping = asyncio.create_task(budget.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        may_end.set()
        await asyncio.wait_for(stopping, PATIENCE)
        assert kept(days) == [(12, False, 12)]

    asyncio.run(talk())


def test_budget_survives_a_log_that_cannot_be_written(
    budget: Budget,
    days: Log[DailyUsage],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Unsaved tokens still count, and are saved with the next ones."""

    async def full(day: DailyUsage) -> None:
        raise OSError("no space left")

    async def talk() -> None:
        with monkeypatch.context() as disk:
            disk.setattr(days, "append", full)
            for _ in range(2):
                heard = await hear(reply(ASKED, ("Four.", 19)))
                assert heard == ("Four.", 19)
                assert not budget.exhausted
        await hear(reply(ASKED, ("Four.", 2)))
        assert budget.exhausted

    asyncio.run(talk())
    assert kept(days) == [(40, False, 40)]
    line = "the tokens of a reply are not kept: no space left"
    assert caplog.messages == [line, line, WARNING]


def test_budget_exhausted_refuses_replies(
    days: Log[DailyUsage], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor whether the AI should reply, as the reply is what says why not."""
    asked: list[Prompt] = []

    @supervised
    async def model(prompt: Prompt, name: str = "") -> Stream:
        asked.append(prompt)
        yield "Four.", 39

    async def talk() -> None:
        await hear(model(ASKED))
        # One that is in progress, or that begins with a token left, may end.
        assert await hear(model(ASKED)) == ("Four.", 39)
        for _ in range(2):
            with pytest.raises(ReplyFailed, match="used up") as end:
                await hear(model(ASKED))
            assert str(end.value) == BUDGET_EXHAUSTED
            assert await hear(model(JUDGED, "mistral")) == ("YES", 0)

    asyncio.run(talk())
    assert asked == [ASKED] * 2
    assert kept(days)[-1] == (39, False, 78)
    assert caplog.messages == [WARNING]


def test_budget_is_unlimited_by_default(
    budget: Budget, days: Log[DailyUsage], setting: Change
) -> None:
    setting()
    asyncio.run(hear(reply(ASKED, ("Four.", 10_000_000))))
    assert not budget.exhausted


# In a room


@pytest.mark.stages(5)
def test_budget_exhausted_is_reported_in_rooms(
    serve: Serve, ollama: OllamaStub
) -> None:
    """In every room, and without a request to anybody."""
    ollama.reply = ["YES ", "and ", "more"]
    limit = {"DAILY_TOKEN_BUDGET": "90", "SHOULD_REPLY": "1"}
    chat = serve(**ollama.settings, **limit)
    with chat.join() as ada, chat.join("party-chat") as bob:
        first = ask(ada, "One, please")
        # It took more than there was, and may end all the same.
        assert (first.get("status"), first["body"]) == (None, "YES and more")
        for guest in (ada, bob, ada):
            last = ask(guest, "And now?")
            assert last["status"] == "failed"
            assert last["body"] == BUDGET_EXHAUSTED
    assert len(ollama.paths) == 2  # whether to reply, and the reply
    assert chat.errors() == f"WARNING ai: {WARNING}\n"


@pytest.mark.stages(3, 3)
def test_budget_survives_a_restart(
    serve: Serve, openai: OpenAIStub, tmp_path: Path
) -> None:
    """Where the store lasts; and the terminal says so at once."""
    store = f"sqlite:{tmp_path / 'party.db'}"
    chat = serve(**openai.settings, DAILY_TOKEN_BUDGET="9", STORE=store)
    with chat.join() as ada:
        assert "status" not in ask(ada, "One, please")
    assert chat.stop() == 0
    chat.start()
    assert chat.errors().splitlines() == [f"WARNING ai: {WARNING}"] * 2
    with chat.join() as ada:
        assert ask(ada, "And now?")["body"] == BUDGET_EXHAUSTED
    assert len(openai.exchanges) == 1
