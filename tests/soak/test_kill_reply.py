"""A server that is killed in the middle of a reply: `make soak` runs it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import STAGES
from ..support.browser import NO_SERVER, People
from ..support.server_process import ServerProcess, WebSocketClient, start
from ..support.stubs import Exchange, OpenAIStub

pytestmark = [pytest.mark.soak, pytest.mark.timeout(180)]

MOMENTS = [
    *["asked", "asked", "thinking", "writing 1", "writing 3", "said"],
    *[f"ending {milliseconds}" for milliseconds in (0, 4, 8, 12)],
    *["ended", "ended"],
]
"""When the server is killed, once in each reply."""

SPENT = "WARNING ai: DAILY_TOKEN_BUDGET is used up"

TALLY = "/parties/usage/total"

Said = dict[str, Any]


@pytest.fixture
def openai() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        stub.held = True
        yield stub


def reach(moment: str, ada: WebSocketClient, exchange: Exchange) -> None:
    """Wait until a reply has come that far."""
    what, _, number = moment.partition(" ")
    words = {"thinking": 0, "writing": int(number or 0)}
    said = "".join(exchange.said[: words.get(what)])
    exchange.step(words.get(what, len(exchange.said)))
    if said:
        ada.hear(said)
    if what in ("ending", "ended"):
        exchange.release()
    if what == "ending":
        time.sleep(int(number) / 1_000)
    if what == "ended":
        ada.until("its end", lambda frame: is_whole(frame["message"]))


def is_whole(message: Said) -> bool:
    """Whether there is no more to come, nor was to come."""
    return "status" not in message


class Room:
    """The room and the tally before each kill."""

    def __init__(self, running: ServerProcess, openai: OpenAIStub) -> None:
        self.running = running
        self.openai = openai
        self.epoch, self.messages = self.history()
        self.tally = 0
        self.least = self.most = 0

    def history(self) -> tuple[str, list[Said]]:
        """Return the history of a newcomer: the epoch and the messages."""
        with self.running.join() as newcomer:
            frame = newcomer.wait_for("history")
            return frame["epoch"], frame["messages"]

    def kill(self, moment: str, question: str) -> None:
        """Ask, kill the server at that moment, and start it again."""
        exchange = None
        with self.running.join() as ada:
            ada.wait_for("ack", id=ada.say(question)["id"])
            if moment != "asked":
                exchange = self.request(question)
                reach(moment, ada, exchange)
            self.running.kill()
        self.running.start()
        reply = self.look(moment, question)
        self.count(moment, exchange, bool(reply and is_whole(reply)))

    def request(self, question: str) -> Exchange:
        """Wait until the model is asked that; skips what was asked before."""
        while True:
            exchange = self.openai.next_request()
            if exchange.last_message() == question:
                return exchange

    def look(self, moment: str, question: str) -> Said | None:
        """See what is left of a reply, and that all else is as it was."""
        epoch, messages = self.history()
        assert epoch == self.epoch
        old = len(self.messages)
        assert messages[:old] == self.messages
        asked, *replies = messages[old:]
        self.messages = messages
        assert asked["body"] == question
        if not replies:
            assert moment == "asked"
            return None
        (reply,) = replies
        if is_whole(reply):
            assert moment.startswith("end")
            assert reply["body"] == f"You said: {question}"
        else:
            assert moment != "ended"
            assert reply["status"] == "interrupted"
            assert reply["body"] != "Thinking…"
        return reply

    def count(
        self, moment: str, exchange: Exchange | None, whole: bool
    ) -> None:
        """See that the tally grew by what a whole reply took, or not yet."""
        before, self.tally = self.tally, self.running.get(TALLY).json()["tally"]
        took = sum(exchange.usage()) if exchange else 0
        assert self.tally - before in ((0, took) if whole else (0,))
        self.least += took if whole else 0
        self.most += took if moment.startswith("end") else 0


def test_a_reply_that_is_killed_ends_whole_or_interrupted(
    openai: OpenAIStub, person: People, tmp_path: Path
) -> None:
    """And a page that is open all the while shows what a newcomer is told.

    What a whole reply took is counted once, what another took is not.
    """
    settings = {
        "AI": "openai",
        "OPENAI_BASE_URL": openai.base_url,
        "STORE": f"sqlite:{tmp_path / 'party.db'}",
    }
    with start(STAGES[-1], **settings) as running:
        room = Room(running, openai)
        page = person(running, "Eve")
        page.expect_error(NO_SERVER)
        for number, moment in enumerate(MOMENTS):
            if number % 3 == 0:  # it takes a second to come back
                page.sees_all(*(each["body"] for each in room.messages))
            room.kill(moment, f"Why, {number}?")
        page.sees_all(*(each["body"] for each in room.messages))
    for budget, spent in ((room.least, True), (room.most + 1, False)):
        with start(
            STAGES[-1], **settings, DAILY_TOKEN_BUDGET=str(budget)
        ) as again:
            assert (SPENT in again.errors()) == spent
