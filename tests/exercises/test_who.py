"""The check of the exercise docs/exercises/who.md."""

import re

import pytest
from playwright.sync_api import Locator, expect

from ..support.browser import People, Person
from ..support.server_process import ServerProcess, WebSocketClient
from .hearing import hear_names, hear_refusals

pytestmark = pytest.mark.stages(2)


def come(guest: WebSocketClient, name: str | None) -> None:
    """Say who sits at a page."""
    guest.send({"type": "here", "name": name})


@pytest.mark.behaviour("Everybody hears who is here")
def test_everybody_hears_who_is_here(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        come(ada, "Ada")
        hear_names(ben, "who", "Ada")
        come(ben, "Ben")
        hear_names(ada, "who", "Ada", "Ben")
        hear_names(ben, "who", "Ada", "Ben")


@pytest.mark.behaviour("A newcomer hears it at once, before they have a name")
def test_a_newcomer_hears_who_is_here(running: ServerProcess) -> None:
    with running.join() as ada:
        come(ada, "Ada")
        hear_names(ada, "who", "Ada")
        with running.join() as eve:
            hear_names(eve, "who", "Ada")


@pytest.mark.behaviour("Who leaves is here no more")
def test_who_leaves_is_here_no_more(running: ServerProcess) -> None:
    with running.join() as ada:
        come(ada, "Ada")
        with running.join() as ben:
            come(ben, "Ben")
            hear_names(ada, "who", "Ada", "Ben")
        hear_names(ada, "who", "Ada")


@pytest.mark.behaviour("Who takes another name, or none, loses the first")
def test_who_takes_another_name_loses_the_first(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        come(ada, "Ada")
        come(ben, "Ben")
        hear_names(ada, "who", "Ada", "Ben")
        come(ben, "Bob")
        hear_names(ada, "who", "Ada", "Bob")
        come(ben, None)
        hear_names(ada, "who", "Ada")


@pytest.mark.behaviour("Two tabs of one name are one, until both are closed")
def test_two_tabs_of_one_name_are_one(running: ServerProcess) -> None:
    with running.join() as ben, running.join() as ada:
        come(ada, "Ada")
        with running.join() as tab:
            come(tab, "Ada")
            come(ben, "Ben")
            hear_names(ben, "who", "Ada", "Ben")
        come(ben, "Bob")
        hear_names(ben, "who", "Ada", "Bob")


@pytest.mark.behaviour("Who comes back under the same id was never away")
def test_who_comes_back_was_never_away(running: ServerProcess) -> None:
    with running.join() as ben, running.join(pk="ada") as before:
        come(before, "Ada")
        hear_names(ben, "who", "Ada")
        with running.join(pk="ada"):
            before.closed()
            come(ben, "Ben")
            hear_names(ben, "who", "Ada", "Ben")


@pytest.mark.behaviour("Each room knows its own people alone")
def test_each_room_knows_its_own_people(running: ServerProcess) -> None:
    with running.join() as ada, running.join("room-4") as eve:
        come(ada, "Ada")
        hear_names(ada, "who", "Ada")
        come(eve, "Eve")
        hear_names(eve, "who", "Eve")


@pytest.mark.behaviour("Still: what one says, the others hear")
def test_what_one_says_the_others_hear(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        come(ada, "Ada")
        ada.wait_for("ack", id=ada.say("hello")["id"])
        assert ben.hear("hello")["user"] == "Ada"


@pytest.mark.behaviour("Still: what makes no sense is refused in words")
def test_what_makes_no_sense_is_refused(running: ServerProcess) -> None:
    with running.join() as ada:
        hear_refusals(
            ada, *({"type": "here", "name": n} for n in (7, "x" * 41))
        )


def named(person: Person, name: str) -> Locator:
    """Where a page says a name, its cursors apart."""
    text = person.page.get_by_text(re.compile(rf"\b{name}\b"))
    return text.and_(person.page.locator(":not(.cursors *)")).first


def names(person: Person, name: str) -> None:
    """Wait until a page says a name."""
    expect(named(person, name), f"expected to see “{name}”").to_be_visible()


def forgets(person: Person, name: str) -> None:
    """Wait until a page says a name no more."""
    told = f"expected to see “{name}” no more"
    expect(named(person, name), told).not_to_be_visible()


@pytest.mark.behaviour("In the browser: the page names who is here")
def test_the_page_names_who_is_here(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    ben = person(running, "Ben")
    names(ada, "Ben")
    ben.button("Log out").click()
    forgets(ada, "Ben")
    ben.sign_in("Bob")
    names(ada, "Bob")
    ben.page.close()
    forgets(ada, "Bob")
