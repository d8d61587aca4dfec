"""The presenter's page, and what it does to everybody's, in browsers."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from shared.ai.replay.player import NOT_RECORDED

from ..support.browser import People, Person, is_easy_to_tap
from ..support.presenter import KEY, Presenter
from ..support.server_process import ServerProcess, Stage, start
from ..support.stubs import OpenAIStub

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

FORBIDDEN = "Failed to load resource: .* status of 403"
UNREACHABLE = "Failed to load resource: net::ERR_CONNECTION_"
PHONE = {"width": 390, "height": 844}
PAUSED = "The presenter has paused the AI."


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIStub]:
    """A model whose replies the test steers."""
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def server(stage: Stage, model: OpenAIStub) -> Iterator[ServerProcess]:
    """One server for all the tests of this file."""
    settings = {
        "AI": "openai",
        "OPENAI_BASE_URL": model.base_url,
        "PRESENTER_KEY": KEY,
    }
    with start(stage, **settings) as running:
        yield running


@pytest.fixture
def running(
    server: ServerProcess, model: OpenAIStub
) -> Iterator[ServerProcess]:
    """The stage, in which nothing is stopped when a test begins."""
    yield server
    model.reset()  # with the requests that no test has waited for
    hand = Presenter(server)
    hand.does("resume")
    hand.does("ask_model")
    hand.does("show_cursors")
    for name in hand.sees()["muted"]:
        hand.does("unmute", name=name)
    for room in hand.sees()["rooms"]:
        hand.does("clear", party=room["party"], room=room["room"])


def open_link(running: ServerProcess, person: People, **options: Any) -> Person:
    """Seat the presenter at their page."""
    presenter = person(running, **options)
    presenter.go(f"/presenter#{KEY}")
    expect(presenter.page.get_by_role("heading", level=2)).not_to_have_count(0)
    return presenter


def is_told(presenter: Person, words: str | re.Pattern[str]) -> None:
    """Wait until the presenter's page says what came of an action."""
    expect(presenter.page.get_by_role("status")).to_have_text(words)


def notice(person: Person, words: str) -> None:
    """Wait until a room says what the presenter has stopped."""
    expect(person.page.locator(".notice")).to_have_text(words)


# The link


def test_presenter_page_takes_the_key_and_keeps_it(
    running: ServerProcess, person: People
) -> None:
    curious = person(running)
    curious.expect_error(FORBIDDEN)
    curious.go("/presenter")
    is_told(
        curious,
        "This page is for the presenter. Open the link that the terminal "
        "printed.",
    )
    main = curious.page.get_by_role("main")
    for key in ("guess", KEY[:-1]):
        curious.page.evaluate("key => { location.hash = key }", key)
        expect(main).to_contain_text("This link is not the presenter’s")
        expect(main.locator("section, button, input")).to_have_count(0)
    curious.page.evaluate("key => { location.hash = key }", KEY)
    for address in ("/presenter", "/presenter#main"):
        expect(curious.button("Nobody")).to_be_visible()
        assert curious.page.url == f"{running.url}/presenter"
        curious.page.goto(running.url + address)
        curious.page.reload()
    expect(curious.button("Nobody")).to_be_visible()


@pytest.mark.stages(1, 1)
def test_presenter_page_shows_that_there_are_no_rooms(
    running: ServerProcess, person: People
) -> None:
    presenter = open_link(running, person)
    main = presenter.page.get_by_role("main")
    expect(main).to_contain_text("No AI answers in here.")
    expect(main).to_contain_text("There are no rooms yet")
    expect(main.get_by_role("button")).to_have_count(0)


# The AI


def test_presenter_pauses_the_ai_for_everybody(
    running: ServerProcess, person: People, model: OpenAIStub
) -> None:
    presenter = open_link(running, person)
    ada, bob = person(running, "Ada"), person(running, "Bob")
    model.held = True
    ada.say("Tell me all!")
    model.next_request().step()
    bob.sees("You")
    group = presenter.page.get_by_role("group", name="The AI answers")
    pressed = group.get_by_role("button", pressed=True)
    expect(pressed).to_have_text("Everybody")
    presenter.button("Nobody").click()
    is_told(presenter, "The AI answers nobody: questions wait.")
    expect(pressed).to_have_text("Nobody")
    for each in (ada, bob):
        notice(each, PAUSED)
        expect(each.sees("You")).to_contain_text("This reply was cut off.")
    bob.say("And now?")
    late = person(running, "Eve")
    notice(late, PAUSED)
    late.sees("And now?")
    model.held = False
    presenter.button("Everybody").click()
    is_told(presenter, "The AI answers everybody.")
    expect(pressed).to_have_text("Everybody")
    for each in (ada, bob, late):
        notice(each, "")
        each.sees("You said: Bob: And now?")


def test_presenter_is_the_only_one_who_is_answered(
    running: ServerProcess, person: People
) -> None:
    """Known by their browser, also in a room that was open before."""
    bob, presenter = person(running, "Bob"), person(running, "Ada")
    private = presenter.page.context.new_page()
    private.goto(f"{running.url}/presenter#{KEY}")
    private.get_by_role("button", name="Only me", exact=True).click()
    told = private.get_by_role("status")
    expect(told).to_have_text("The AI answers only you.")
    for each in (bob, presenter):
        notice(each, "The AI answers only the presenter for now.")
    bob.say("And me?")
    presenter.sees("And me?")
    presenter.say("Hello, AI!")
    bob.sees("You said: Ada: Hello, AI!")
    presenter.page.reload()
    presenter.say("Still there?")
    bob.sees_all(
        *("And me?", "Hello, AI!", "You said: Ada: Hello, AI!"),
        *("Still there?", "You said: Ada: Still there?"),
    )


def test_presenter_switches_to_recordings_and_back(
    running: ServerProcess, person: People, model: OpenAIStub
) -> None:
    presenter = open_link(running, person)
    ada = person(running, "Ada")
    model.held = True
    ada.say("Tell me all!")
    model.next_request().step()
    ada.sees("You")
    switch = presenter.button("Play recordings instead")
    switch.click()
    is_told(presenter, "Recordings answer now.")
    expect(switch).to_have_attribute("aria-pressed", "true")
    notice(ada, "The AI’s replies are recordings now.")
    ada.say("Sing!")
    unknown = ada.sees(NOT_RECORDED)
    expect(unknown).to_contain_text("Ask one of these: “write a haiku about")
    ada.say("write a haiku about dolphins")
    said = ada.page.get_by_role("log")
    expect(said).to_contain_text("Dolphins leap at dawn,")
    model.held = False
    switch.click()
    is_told(presenter, "The model answers again.")
    notice(ada, "")
    ada.say("hello")
    ada.sees("You said: hello")


def test_presenter_hides_the_last_reply(
    running: ServerProcess, person: People
) -> None:
    presenter = open_link(running, person)
    ada, bob = person(running, "Ada"), person(running, "Bob")
    hide = presenter.button("Hide the last reply in Hello, World!")
    long = "two, which is longer than the sentence that replaces its reply"
    for question in ("one", long):
        ada.say(question)
        bob.sees(f"You said: {question}")
    hide.click()
    is_told(presenter, "The last reply in “Hello, World!” is hidden.")
    expect(hide).to_be_focused()
    late = person(running, "Eve")
    for each in (ada, bob, late):
        hidden = each.sees("The presenter has hidden this reply.")
        expect(hidden.locator(".note")).to_have_count(0)
        each.sees("You said: one")
        expect(each.saying(f"You said: {long}")).to_have_count(0)


# Rooms


def test_presenter_clears_a_room(
    running: ServerProcess, person: People
) -> None:
    ada, bob = person(running, "Ada"), person(running, "Bob")
    ada.say("forget this")
    ada.is_sent("forget this")
    bob.sees("forget this")
    presenter = open_link(running, person, viewport=PHONE)
    # Pressed twice by mistake, from the keyboard, it keeps everything.
    presenter.button("Clear Hello, World!").focus()
    presenter.page.keyboard.press("Enter")
    expect(presenter.button("Keep Hello, World!")).to_be_focused()
    presenter.page.keyboard.press("Enter")
    expect(presenter.button("Clear Hello, World!")).to_be_focused()
    ada.sees("forget this")
    presenter.button("Clear Hello, World!").click()
    presenter.button("Clear it for everybody").click()
    is_told(presenter, "“Hello, World!” is empty now.")
    expect(presenter.button("Clear Hello, World!")).to_be_focused()
    for each in (ada, bob):
        expect(each.messages).to_have_count(0)
    bob.say("a new start")
    for each in (ada, bob):
        each.sees("a new start")
    ada.page.reload()
    ada.sees("a new start")
    expect(ada.saying("forget this")).to_have_count(0)


def test_presenter_page_refreshes_itself(
    running: ServerProcess, person: People
) -> None:
    """Also while a name is typed that is to be muted."""
    presenter = open_link(running, person)
    name = presenter.page.get_by_label("Another name")
    name.fill("Eve")
    bob = person(running, "Bob", room="party-chat")
    bob.say("hello")
    room = presenter.page.get_by_role("listitem").filter(has_text="Party Chat")
    expect(room).to_contain_text(re.compile("1 person, [12] message"))
    expect(presenter.button("Mute Bob")).to_be_visible()
    name.press("Enter")
    expect(presenter.button("Unmute Eve")).to_be_visible()
    expect(name).to_have_value("")
    presenter.expect_error("Failed to load resource: .* status of 422")
    name.fill("AI")
    name.press("Enter")
    is_told(presenter, "Nobody can speak under that name anyway.")


# Names


def test_muted_user_alone_reads_why(
    running: ServerProcess, person: People
) -> None:
    presenter = open_link(running, person)
    ada, eve = person(running, "Ada"), person(running, "Eve")
    eve.say("one")
    ada.sees("one")
    presenter.button("Mute Eve").click()
    is_told(presenter, "Eve is muted.")
    eve.say("two")
    refused = "Not sent. The presenter has muted this name."
    expect(eve.sees("two")).to_contain_text(refused)
    eve.button("Log out").click()
    eve.button("Sign in").click()
    name = eve.page.get_by_label("Your name")
    name.fill("E V \u0415")
    name.press("Enter")
    problem = eve.page.get_by_role("dialog").get_by_role("alert")
    expect(problem).to_have_text("The presenter has muted this name.")
    ada.say("Well.")
    eve.sees("Well.")
    presenter.button("Unmute Eve").click()
    is_told(presenter, "Eve may speak again.")
    name.press("Enter")
    expect(problem).to_have_count(0)
    eve.say("four")
    ada.sees("four")
    expect(ada.saying("two")).to_have_count(0)


# Cursors


def test_presenter_hides_all_cursors(
    running: ServerProcess, person: People
) -> None:
    presenter = open_link(running, person)
    ada = person(running, "Ada")
    bob = person(running, "Bob Groß")
    seen = ada.page.locator(".cursor")
    bobs = seen.filter(has_text="Bob Groß")
    bob.page.mouse.move(400, 300)
    expect(bobs).to_have_count(1)
    presenter.button("Hide all cursors").click()
    is_told(presenter, "All cursors are hidden.")
    expect(seen).to_have_count(0)
    notice(ada, "The presenter has hidden all cursors.")
    eve = person(running, "Eve")
    notice(eve, "The presenter has hidden all cursors.")
    bob.page.mouse.move(410, 310)
    presenter.button("Hide all cursors").click()
    expect(bobs).to_have_count(1)
    Presenter(running).does("mute", name="BOB GROSS")
    expect(bobs).to_have_count(0)
    eve.page.mouse.move(500, 200)
    expect(seen.filter(has_text="Eve")).to_have_count(1)
    Presenter(running).does("unmute", name="bob groß")
    expect(bobs).to_have_count(1)


# Faults


def test_hall_reconnects_after_faults_and_nothing_is_lost(
    stage: Stage, person: People, tmp_path: Path
) -> None:
    store = f"sqlite:{tmp_path}/party.db"
    with start(stage, PRESENTER_KEY=KEY, STORE=store, RELOAD="1") as restarting:
        presenter = open_link(restarting, person)
        ada, bob = person(restarting, "Ada"), person(restarting, "Bob")
        ada.say("before")
        ada.is_sent("before")
        main = presenter.page.get_by_role("main")
        presenter.button("Cut all connections").click()
        for each in (ada, bob):
            # Said only by a page that has said "Reconnecting…".
            each.is_told("Connected again")
        ada.say("after the cut")
        bob.sees("after the cut")
        expect(main).to_contain_text("before the fault: 1. 0 lost.")
        for each in (presenter, ada, bob):
            each.expect_error(UNREACHABLE)
        presenter.button("Restart the server").click()
        expect(main).to_contain_text("Messages are stored, and outlive it.")
        presenter.button("Restart it for everybody").click()
        ada.say("during the restart")
        bob.sees("during the restart")
        bob.sees_all("before", "after the cut", "during the restart")
        # It may have arrived just before the process ended.
        expect(main).to_contain_text(re.compile(r"fault: [23]\. 0 lost\."))


# How it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_presenter_page_is_usable_on_a_phone(
    running: ServerProcess, person: People, scheme: str
) -> None:
    hand = Presenter(running)
    hand.does("pause")
    hand.does("mute", name="Mallory " + "x" * 30)
    ada = person(running, "Ada" * 12, viewport=PHONE, color_scheme=scheme)
    ada.say("hello")
    ada.is_sent("hello")
    notice(ada, PAUSED)
    presenter = open_link(running, person, viewport=PHONE, color_scheme=scheme)
    presenter.button("Clear Hello, World!").click()
    presenter.button("Unmute Mallory " + "x" * 30).click()
    is_told(presenter, re.compile("may speak again"))
    presenter.button("Mute " + "Ada" * 12).click()
    is_told(presenter, re.compile("is muted"))
    for each in (ada, presenter):
        each.can_read()
    buttons = presenter.page.get_by_role("main").get_by_role("button")
    assert all(map(is_easy_to_tap, buttons.all()))
