"""Faults that the presenter causes, and the count of the messages lost."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tools.guests import Guests, Options

from ..support.presenter import KEY, Presenter
from ..support.presenting import presenting
from ..support.server_process import (
    PATIENCE,
    ROOT,
    ServerProcess,
    Stage,
    start,
)
from ..support.stubs import OpenAIStub

STAGE_2 = Stage(2, ROOT / "demo_02")
STAGE_5 = Stage(5, ROOT / "demo_05")
UNBOUND = {"HISTORY_LIMIT": "5000", "MAX_MESSAGES_PER_SECOND": "10000"}
RECORDED = "replay:shared/ai/replay/demo_replies.jsonl"

SHORT = 1, 40
LONG = pytest.param(
    (20, 500), marks=[pytest.mark.soak, pytest.mark.timeout(300)]
)
"""Presses of a button, and messages that are sent meanwhile."""


def report(presenter: Presenter, seconds: float = PATIENCE) -> dict[str, Any]:
    """Return the report on a fault, once it is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):  # the server restarts
            found: dict[str, Any] = presenter.sees()["faults"]["report"]
            if found["lost"] is not None:
                return found
        time.sleep(0.05)
    raise TimeoutError("the fault is not over")


async def press_often(
    running: ServerProcess, fault: str, presses: int, sends: int
) -> Guests:
    """Cause a fault again and again while guests chat."""
    options = Options(n=10, pace=0.3, minutes=10, address=running.url)
    guests, presenter = Guests(options), Presenter(running)
    chatting = asyncio.create_task(guests.run())
    for press in range(1, presses + 1):
        enough = sends * press // (presses + 1)
        while len(guests.totals.acknowledged) < enough:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(presenter.does, fault)
        if fault != "stall_ai":
            found = await asyncio.to_thread(report, presenter)
            assert found["fault"] == fault
            assert found["acknowledged"] >= enough
            assert found["lost"] == 0
    while guests.totals.sent < sends:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    guests.ended.set()
    await chatting
    return guests


@pytest.mark.parametrize("amount", [SHORT, LONG])
@pytest.mark.parametrize("fault", ["cut_connections", "stall_ai", "restart"])
def test_faults_lose_nothing_acknowledged(
    tmp_path: Path, fault: str, amount: tuple[int, int]
) -> None:
    settings = {
        "PRESENTER_KEY": KEY,
        "STORE": f"sqlite:{tmp_path}/party.db",
        "RELOAD": "1",
        "AI": RECORDED,
        **UNBOUND,
    }
    with start(STAGE_5, **settings) as running:
        guests = asyncio.run(press_often(running, fault, *amount))
        with running.join(max_size=None) as newcomer:
            history = newcomer.wait_for("history")["messages"]
    seqs = {each["id"]: each["seq"] for each in history}
    totals = guests.totals
    assert totals.refused == 0
    assert len(totals.acknowledged) == totals.sent >= amount[1]
    assert totals.acknowledged.items() <= seqs.items()


def test_restart_counts_messages_that_were_in_memory_alone() -> None:
    with start(STAGE_2, PRESENTER_KEY=KEY, RELOAD="1") as running:
        presenter = Presenter(running)
        assert presenter.sees()["faults"] == {
            "can_restart": True,
            "keeps_messages": False,
            "report": None,
        }
        with running.join() as ada:
            for body in ("one", "two"):
                ada.say(body)
                ada.wait_for("ack")
            presenter.does("restart")
            ada.closed()
        expected = {"fault": "restart", "acknowledged": 2, "lost": 2}
        assert report(presenter) == expected


def test_restart_is_refused_where_nothing_starts_the_server_again() -> None:
    with start(STAGE_2, PRESENTER_KEY=KEY) as running:
        presenter = Presenter(running)
        answer = presenter.ask("POST", "/presenter", {"action": "restart"})
        assert answer.status == 409
        assert "again" in answer.json()["error"]
        faults = presenter.sees()["faults"]
        assert not faults["can_restart"]
        assert faults["report"] is None


def test_restart_works_in_a_presentation(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path}/party.db"
    with presenting(PRESENTER_KEY=KEY, STORE=store) as present:
        present.runs(1)
        present.press("2")
        present.runs(2)
        with present.join() as ada:
            ada.say("hello")
            ada.wait_for("ack")
            Presenter(present).does("restart")
            ada.closed()
        found = report(Presenter(present))
        assert (found["acknowledged"], found["lost"]) == (1, 0)


def test_cut_connections_refuses_others_for_a_moment() -> None:
    with start(STAGE_2, PRESENTER_KEY=KEY) as running:
        presenter = Presenter(running)
        with running.join() as ada:
            ada.say("hello")
            ada.wait_for("ack")
            presenter.does("cut_connections")
            code, reason = ada.closed()
        assert code == 1012
        assert "cut" in reason
        assert running.get("/build").text == ""
        path = "/parties/chatroom/hello-world?before=1"
        assert running.get(path).status == 503
        room = {"party": "chatroom", "room": "hello-world"}
        found = report(presenter)
        assert (found["acknowledged"], found["lost"]) == (1, 0)
        assert running.get("/build").text
        with running.join() as ada:
            ada.wait_for("history")
        presenter.does("cut_connections")
        presenter.does("clear", **room)
        assert report(presenter)["lost"] == 0


def test_stall_holds_a_reply_back() -> None:
    with (
        OpenAIStub() as model,
        start(
            STAGE_5,
            PRESENTER_KEY=KEY,
            AI="openai",
            OPENAI_BASE_URL=model.base_url,
        ) as running,
        running.join() as ada,
    ):
        Presenter(running).does("stall_ai")
        ada.say("hello")
        ada.until(
            "the beginning of a reply",
            lambda frame: frame.get("message", {}).get("status") == "thinking",
        )
        with pytest.raises(TimeoutError):
            ada.next(1)
