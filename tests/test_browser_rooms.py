"""Rooms as people in several browsers see them (stage 2 and later)."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from .browser import NO_SERVER, People, Person
from .running import ROOT, Running, Stage, start
from .wire import Wire, wire_to

pytestmark = pytest.mark.stages(2)


@pytest.fixture(scope="module")
def rooms(stage: Stage) -> Iterator[Running]:
    """One server for the tests to which it is the same what was said before."""
    with start(stage) as running:
        yield running


@pytest.fixture
def wire(running: Running) -> Iterator[Wire]:
    """A connection to the stage that can be cut."""
    with wire_to(running) as wire:
        yield wire


@pytest.mark.behaviour(
    "In the browser: what one says, everybody in the room sees"
)
def test_what_one_says_everybody_in_the_room_sees(
    running: Running, person: People
) -> None:
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    eve = person(running, "Eve", "room-4")
    ada.say("hello")
    bob.sees("hello")
    bob.say("hello yourself")
    ada.sees_all("hello", "hello yourself")
    expect(ada.sees("hello yourself")).to_contain_text("Bob")
    eve.say("alone")
    eve.sees_all("alone")
    late = person(running)
    late.enter()
    late.sees_all("hello", "hello yourself")
    late.is_told("Connected")


@pytest.mark.behaviour("In the browser: a refresh shows what was said")
def test_who_is_alone_and_refreshes_still_sees_what_was_said(
    running: Running, person: People
) -> None:
    """Seen to catch: a room that forgets once nobody is in it."""
    ada = person(running, "Ada")
    ada.say("first")
    ada.say("second")
    ada.is_sent("second")
    ada.page.reload()
    ada.sees_all("first", "second")
    ada.say("third")
    ada.is_sent("third")
    ada.page.reload()
    ada.sees_all("first", "second", "third")


def test_my_messages_are_those_of_this_tab_and_not_of_my_name(
    running: Running, person: People
) -> None:
    """Seen to catch: “mine” by the name; own ids that a refresh forgets."""
    one = person(running, "Ada")
    other = person(running, "Ada", beside=one)
    one.say("from one")
    other.sees("from one")
    other.say("from the other")
    for _ in range(2):
        one.sees_all("from one", "from the other")
        other.sees_all("from one", "from the other")
        assert on_the_right(one, "from one")
        assert not on_the_right(one, "from the other")
        assert not on_the_right(other, "from one")
        assert on_the_right(other, "from the other")
        one.page.reload()
        other.page.reload()


def on_the_right(person: Person, text: str) -> bool:
    """Whether a message's bubble stands on the right of the page."""
    box = person.sees(text).locator(".bubble").bounding_box()
    size = person.page.viewport_size
    assert box
    assert size
    return box["x"] + box["width"] / 2 > size["width"] / 2


def test_the_conversation_goes_on_after_the_server_was_killed(
    serve: Callable[..., Running], person: People
) -> None:
    """Seen to catch: partysocket's own delays, which may be 10 s."""
    running = serve()
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    ada.say("before")
    bob.sees("before")
    for each in (ada, bob):
        each.expect_error(NO_SERVER)
        each.is_told("Connected")
    running.kill()
    for each in (ada, bob):
        each.is_told("Reconnecting…")
    ada.tries_to_connect(3)
    ada.say("one")
    ada.say("two")
    expect(ada.sees("two")).to_contain_text("Sending…")
    running.start()
    back = time.monotonic()
    ada.is_told("Connected again")
    bob.is_told("Connected again")
    seconds = time.monotonic() - back
    print(f"The pages were back {seconds:.2f} s after the server.")
    # Two are promised; a busy machine gets some more.
    assert seconds < 4
    # The server forgot what it had; what it never had is said now, once.
    ada.is_sent("two")
    ada.sees_all("one", "two")
    bob.sees_all("one", "two")
    bob.say("after")
    ada.sees_all("one", "two", "after")
    bob.sees_all("one", "two", "after")


@pytest.mark.behaviour(
    "In the browser: who was cut off is told so, and catches up"
)
def test_who_was_offline_sees_what_was_said_meanwhile(
    running: Running, wire: Wire, person: People
) -> None:
    """Seen to catch: a history that takes the place of what was not sent."""
    ada = person(running, "Ada")
    bob = person(wire, "Bob")
    bob.expect_error(NO_SERVER)
    bob.say("hello")
    ada.sees("hello")
    bob.is_told("Connected")
    wire.cut()
    bob.is_told("Reconnecting…")
    bob.say("from offline")
    ada.say("are you there?")
    ada.say("no?")
    ada.is_sent("no?")
    expect(bob.sees("from offline")).to_contain_text("Sending…")
    wire.mend()
    said = ["hello", "are you there?", "no?", "from offline"]
    ada.sees_all(*said)
    bob.sees_all(*said)
    bob.is_told("Connected again")
    bob.is_sent("from offline")
    bob.page.reload()
    bob.sees_all(*said)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_message_that_a_dead_connection_swallows_is_kept_once(
    running: Running, wire: Wire, person: People, way: str
) -> None:
    """As on the way out of the Wi-Fi: either the message or its ack is lost.

    Seen to catch: a sender that forgets a message once it is transmitted.
    """
    ada = person(wire, "Ada")
    bob = person(running, "Bob")
    ada.expect_error(NO_SERVER)
    ada.say("one")
    ada.is_sent("one")
    wire.swallow(way)
    ada.say("two")
    expect(ada.sees("two")).to_contain_text("Sending…")
    if way == "down":
        bob.sees("two")
    wire.cut()
    wire.mend()
    ada.is_sent("two")
    ada.say("three")
    ada.sees_all("one", "two", "three")
    bob.sees_all("one", "two", "three")


def test_a_connection_that_only_looks_open_is_given_up(
    running: Running, wire: Wire, person: People
) -> None:
    """Seen to catch: a sender that waits for an ack without an end."""
    ada = person(wire)
    ada.page.clock.install()
    ada.enter()
    ada.sign_in("Ada")
    ada.is_told("Connected")
    wire.swallow("up")
    ada.say("hello?")
    expect(ada.sees("hello?")).to_contain_text("Sending…")
    ada.page.clock.fast_forward("00:05")
    ada.is_sent("hello?")
    bob = person(running, "Bob")
    bob.sees_all("hello?")
    bob.say("hello!")
    ada.sees_all("hello?", "hello!")


def chat_sockets(person: Person) -> list[str]:
    """The URLs of the sockets to a chat room; there may be others."""
    return [url for url in person.sockets if "/parties/chatroom/" in url]


def test_the_same_page_opened_again_takes_over_without_a_fight(
    running: Running, person: People
) -> None:
    """Both have one `_pk`, as a browser's copy of a tab may have.

    Seen to catch: a page that comes back after 4001, and takes over again.
    """
    old = person(running)
    old.page.context.add_init_script("crypto.randomUUID = () => 'the-same'")
    old.page.clock.install()
    old.enter()
    old.is_told("Connected")
    new = person(running, "Ada", beside=old)
    new.is_told("Connected")
    (only,) = chat_sockets(old)
    assert only.endswith("?_pk=the-same")
    assert chat_sockets(new) == [only]
    old.is_told("This page was opened elsewhere")
    old.page.clock.fast_forward("01:00")
    new.say("still here")
    new.is_sent("still here")
    bob = person(running, "Bob")
    bob.say("so am I")
    new.sees_all("still here", "so am I")
    assert chat_sockets(old) == chat_sockets(new) == [only]
    new.is_told("Connected")


def test_what_the_server_refuses_says_why_and_is_nobody_elses(
    rooms: Running, person: People
) -> None:
    # With a letter that only looks like an A: the page does not see it.
    eve = person(rooms, "\u0410I", "on-page-help")
    bob = person(rooms, "Bob", "on-page-help")
    eve.say("I am the AI")
    message = eve.sees("I am the AI")
    expect(message).to_contain_text("Not sent. This name is taken")
    eve.button("Log out").click()
    eve.sign_in("Eve")
    eve.say("I am Eve")
    bob.sees_all("I am Eve")
    bob.say("hello Eve")
    eve.sees("hello Eve")


def test_who_reads_further_up_is_not_torn_away(
    rooms: Running, person: People
) -> None:
    """Seen to catch: a list that always follows its newest message."""
    ada = person(rooms, "Ada", "party-chat")
    bob = person(rooms, "Bob", "party-chat")
    for number in range(6):
        bob.say(f"message {number}" + "\n…" * 10)
    first, last = ada.messages.first, ada.messages.nth(5)
    expect(last).to_be_in_viewport()
    expect(first).not_to_be_in_viewport()
    ada.page.get_by_role("log").focus()
    ada.page.keyboard.press("Home")
    expect(first).to_be_in_viewport()
    bob.say("news")
    expect(ada.sees("news")).not_to_be_in_viewport()
    expect(first).to_be_in_viewport()
    ada.page.get_by_role("button", name="New messages").click()
    expect(ada.sees("news")).to_be_in_viewport()
    ada.page.keyboard.press("Home")
    expect(first).to_be_in_viewport()
    ada.say("my own is always shown")
    expect(ada.sees("my own is always shown")).to_be_in_viewport()


def test_an_open_page_becomes_one_of_the_next_stage_when_that_starts(
    stage: Stage, serve: Callable[..., Running], person: People
) -> None:
    """As on a stage: stop one, and start the next.

    Seen to catch: modules of all stages under one URL, without `no-cache`;
    a page that connects without asking which build runs.
    """
    level = stage.level - 1
    before = Stage(level, ROOT / f"demo_{level:02}")
    with start(before) as running:
        ada = person(running, "Ada")
        ada.expect_error(NO_SERVER)
        expect(ada.page.locator("footer")).to_contain_text(str(before))
        ada.say("in the stage before")
        ada.sees_all("in the stage before")
        port = str(running.port)
    running = serve(PORT=port)
    expect(ada.page.locator("footer")).to_contain_text(str(stage))
    ada.is_told("Connected")
    ada.sees_all()
    bob = person(running, "Bob")
    ada.say("in this one")
    bob.sees_all("in this one")
