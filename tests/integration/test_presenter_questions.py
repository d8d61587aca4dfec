"""The presenter's questions, which the AI answers before all others."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from typing import Any

import pytest

from ..support.conversation import asked, enter
from ..support.presenter import KEY, Presenter
from ..support.server_process import ServerProcess, WebSocketClient
from ..support.stubs import OpenAIStub

pytestmark = pytest.mark.stages(5)

Serve = Callable[..., ServerProcess]
Join = Callable[[str], WebSocketClient]

TRIES = 20

MAX_SPEAKERS = 40
"""Guests who speak in one try: as many as speak in a second, of 200."""


@pytest.fixture
def chat(serve: Serve, openai: OpenAIStub) -> ServerProcess:
    return serve(**openai.settings, PRESENTER_KEY=KEY)


@pytest.fixture
def join(chat: ServerProcess) -> Iterator[Join]:
    """Let the browser with that cookie into a room."""
    with ExitStack() as stack:

        def join(cookie: str) -> WebSocketClient:
            headers = {"Cookie": cookie}
            guest = stack.enter_context(chat.join(additional_headers=headers))
            enter(guest)
            return guest

        yield join


def new_cookie(chat: ServerProcess) -> str:
    """Return the cookie of another browser."""
    return chat.get("/").headers["set-cookie"].partition(";")[0]


def presenters_cookie(chat: ServerProcess, browser: str) -> str:
    """Open the presenter's link in a browser; return its new cookie."""
    key = f"Bearer {KEY}"
    answer = chat.get("/presenter/state", Authorization=key, Cookie=browser)
    return answer.headers["set-cookie"].partition(";")[0]


def hear_reply(
    guest: WebSocketClient, question: dict[str, Any]
) -> dict[str, Any]:
    """Wait until the reply to a question is finished, and return it."""

    def is_reply(frame: dict[str, Any]) -> bool:
        message = frame.get("message", {})
        answered = message.get("in_reply_to", {}).get("id")
        return answered == question["id"] and "status" not in message

    reply: dict[str, Any] = guest.until("a finished reply", is_reply)
    return reply["message"]


@pytest.mark.parametrize(
    "count", [16, pytest.param(200, marks=pytest.mark.soak)]
)
def test_presenter_is_answered_next(
    chat: ServerProcess, openai: OpenAIStub, join: Join, count: int
) -> None:
    """Whether their room was opened before the private link or after it."""
    openai.held = True
    forged = "party-chat-presenter=" + "x" * 43
    guests = [join(forged), *(join(new_cookie(chat)) for _ in range(count - 1))]
    browser = new_cookie(chat)
    before = join(browser)
    after = join(presenters_cookie(chat, browser))
    speakers = cycle(guests)

    def flood(text: str) -> None:
        asked = [
            (guest, guest.say(text, "Guest"))
            for guest in islice(speakers, min(count, MAX_SPEAKERS))
        ]
        for guest, message in asked:
            guest.wait_for("ack", id=message["id"])

    for number in range(TRIES):
        flood(f"chatter {number}")
        current = openai.next_request()
        presenter = (before, after)[number % 2]
        question = presenter.say(f"write haiku {number}", "Presenter")
        presenter.wait_for("ack", id=question["id"])
        flood(f"more chatter {number}")
        began = time.monotonic()
        current.release()
        following = openai.next_request()
        assert time.monotonic() - began < 2
        assert asked(following)[-1].endswith(question["body"])
        following.release()
        assert hear_reply(presenter, question)["in_reply_to"] == {
            "id": question["id"],
            "user": "Presenter",
            "body": question["body"],
        }


def test_presenter_is_the_only_one_who_is_answered(
    chat: ServerProcess, openai: OpenAIStub, join: Join
) -> None:
    """Others' messages are stored and shown, and get no reply, nor later."""
    hand = Presenter(chat)
    browser = new_cookie(chat)
    bob, presenter = join(new_cookie(chat)), join(browser)
    presenters_cookie(chat, browser)
    openai.held = True
    first = bob.say("first", "Bob")
    current = openai.next_request()
    bob.wait_for("ack", id=bob.say("second", "Bob")["id"])
    state = hand.does("answer_only_presenter")
    assert state["answers"] == "presenter"
    for guest in (bob, presenter):
        assert guest.wait_for("presenter")["ai"] == "presenter"
    bob.wait_for("ack", id=bob.say("third", "Bob")["id"])
    assert presenter.hear("third")
    openai.held = False
    current.release()
    hear_reply(presenter, first)
    hear_reply(presenter, presenter.say("mine", "Presenter"))
    assert hand.does("resume")["answers"] == "everybody"
    last = bob.say("fourth", "Bob")
    hear_reply(bob, last)
    with chat.join() as newcomer:
        replies = [
            each["in_reply_to"]["body"]
            for each in enter(newcomer)
            if each["role"] == "assistant"
        ]
    assert replies == ["first", "mine", "fourth"]
