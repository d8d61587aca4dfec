"""Stop the reply: the check of docs/exercises/stop.md."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus

from ..support.browser import People
from ..support.conversation import DONE, hear_ai
from ..support.server_process import ServerProcess, WebSocketClient
from ..support.stubs import OpenAIStub
from .hearing import hear_refusals

pytestmark = pytest.mark.stages(3)


@pytest.fixture
def model() -> Iterator[OpenAIStub]:
    """A model that goes on for some seconds, unless it is told otherwise."""
    with OpenAIStub() as stub:
        stub.reply = ["and on "] * 60
        stub.delay = 0.05
        yield stub


@pytest.fixture
def chat(
    serve: Callable[..., ServerProcess], model: OpenAIStub
) -> ServerProcess:
    return serve(**model.settings)


def begun(asker: WebSocketClient) -> dict[str, Any]:
    """Ask something, and wait until the reply grows."""
    asker.say("Go on!")
    return hear_ai(asker, "streaming")


def stop(guest: WebSocketClient, reply: dict[str, Any]) -> None:
    """Ask the room to stop a reply."""
    guest.send({"type": "stop", "id": reply["id"]})


def hear_the_end(guest: WebSocketClient) -> dict[str, Any]:
    """Wait until a reply has ended, as one that was stopped; returns it."""
    reply = hear_ai(guest, *DONE)
    assert reply.get("status") == "interrupted"
    return reply


@pytest.mark.behaviour("Anybody can stop the reply, and everybody sees it")
def test_anybody_can_stop_the_reply(chat: ServerProcess) -> None:
    with chat.join() as ada, chat.join() as ben:
        reply = begun(ada)
        stop(ben, reply)
        for guest in (ada, ben):
            stopped = hear_the_end(guest)
            assert stopped["id"] == reply["id"]
            assert stopped["body"][:7] == "and on "


@pytest.mark.behaviour(
    "The model writes no more", expected="its stream to be closed"
)
def test_the_model_writes_no_more(
    chat: ServerProcess, model: OpenAIStub
) -> None:
    with chat.join() as ada:
        stop(ada, begun(ada))
        assert not model.next_request().wait_until_over()


@pytest.mark.behaviour("A newcomer sees the reply as it was stopped")
def test_a_newcomer_sees_it_as_it_was_stopped(chat: ServerProcess) -> None:
    with chat.join() as ada:
        stop(ada, begun(ada))
        stopped = hear_the_end(ada)
        with chat.join() as eve:
            assert eve.wait_for("history")["messages"][-1] == stopped


@pytest.mark.behaviour("A model that has gone silent is stopped as well")
def test_a_silent_model_is_stopped(
    chat: ServerProcess, model: OpenAIStub
) -> None:
    model.held = True
    with chat.join() as ada:
        ada.say("Go on!")
        model.next_request().step()
        stop(ada, hear_ai(ada, "streaming"))
        hear_the_end(ada)


@pytest.mark.behaviour("The question that waits is answered")
def test_the_question_that_waits_is_answered(
    chat: ServerProcess, model: OpenAIStub
) -> None:
    with chat.join() as ada, chat.join() as ben:
        reply = begun(ada)
        ben.wait_for("ack", id=ben.say("And now?", "Ben")["id"])
        model.reply = "At last."
        stop(ada, reply)
        assert hear_ai(ben, None)["body"] == "At last."


@pytest.mark.behaviour("What the reply took is reported")
def test_what_it_took_is_reported(chat: ServerProcess) -> None:
    try:
        total = chat.join(party="usage", room="total")
        with total as watching, chat.join() as ada:
            watching.next()
            stop(ada, begun(ada))
            hear_the_end(ada)
            watching.next()
    except InvalidStatus:
        pytest.skip("stage 4 adds the party that counts")


@pytest.mark.behaviour("Still: a stop that comes too late stops nothing")
def test_a_late_stop_stops_nothing(
    chat: ServerProcess, model: OpenAIStub
) -> None:
    model.reply = "It is four."
    with chat.join() as ada:
        ada.say("Two and two?")
        old = hear_ai(ada, None)
        model.next_request()
        model.held = True
        ada.say("Are you sure?")
        exchange = model.next_request()
        stop(ada, old)
        ada.wait_for("ack", id=ada.say("Well?")["id"])
        exchange.release()
        assert hear_ai(ada, *DONE)["body"] == "It is four."


@pytest.mark.behaviour("Still: what makes no sense is refused in words")
def test_what_makes_no_sense_is_refused(chat: ServerProcess) -> None:
    with chat.join() as ada:
        hear_refusals(ada, {"type": "stop"}, {"type": "stop", "id": 7})


@pytest.mark.behaviour("In the browser: a button stops the reply, and goes")
def test_a_button_stops_the_reply(chat: ServerProcess, person: People) -> None:
    ada = person(chat, "Ada")
    ada.say("Go on!")
    button = ada.page.get_by_role("button", name=re.compile("stop", re.I)).first
    expect(button, "expected a button “Stop”").to_be_visible()
    button.click()
    cut_off = ada.page.get_by_text("This reply was cut off.")
    expect(cut_off, "expected a reply that was cut off").to_be_visible()
    expect(button, "expected the button to go").not_to_be_visible()
