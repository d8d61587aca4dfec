"""Somebody is typing: the check of docs/exercises/typing.md."""

import re

import pytest
from playwright.sync_api import Locator, expect

from ..support.browser import People, Person
from ..support.server_process import ServerProcess, WebSocketClient
from .hearing import hear_names, hear_refusals

pytestmark = pytest.mark.stages(2)


def types(guest: WebSocketClient, name: str | None) -> None:
    """Say who types at a page, or that nobody does any more."""
    guest.send({"type": "typing", "name": name})


@pytest.mark.behaviour("The others hear who is typing")
def test_the_others_hear_who_is_typing(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben, running.join() as eve:
        types(ada, "Ada")
        hear_names(eve, "typing", "Ada")
        types(ben, "Ben")
        hear_names(eve, "typing", "Ada", "Ben")


@pytest.mark.behaviour("Who is typing hears of the others alone")
def test_who_is_typing_hears_of_the_others_alone(
    running: ServerProcess,
) -> None:
    with running.join() as ada, running.join() as ben:
        types(ada, "Ada")
        types(ben, "Ben")
        hear_names(ada, "typing", "Ben")
        hear_names(ben, "typing", "Ada")


@pytest.mark.behaviour("Of two who have one name, each hears of the other")
def test_of_two_who_have_one_name_each_hears_of_the_other(
    running: ServerProcess,
) -> None:
    with running.join() as ada, running.join() as other:
        types(other, "Ada")
        hear_names(ada, "typing", "Ada")
        types(ada, "Ada")
        hear_names(other, "typing", "Ada")


@pytest.mark.behaviour("A newcomer hears who is typing")
def test_a_newcomer_hears_who_is_typing(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        types(ada, "Ada")
        hear_names(ben, "typing", "Ada")
        with running.join() as eve:
            hear_names(eve, "typing", "Ada")


@pytest.mark.behaviour("It ends when they stop")
def test_it_ends_when_they_stop(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        types(ada, "Ada")
        hear_names(ben, "typing", "Ada")
        types(ada, None)
        hear_names(ben, "typing")


@pytest.mark.behaviour("It ends when they send what they wrote")
def test_it_ends_when_they_send_what_they_wrote(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        types(ada, "Ada")
        hear_names(ben, "typing", "Ada")
        ada.say("hello")
        hear_names(ben, "typing")


@pytest.mark.behaviour("It ends when they leave")
def test_it_ends_when_they_leave(running: ServerProcess) -> None:
    with running.join() as ben:
        with running.join() as ada:
            types(ada, "Ada")
            hear_names(ben, "typing", "Ada")
        hear_names(ben, "typing")


@pytest.mark.behaviour("Still: what one says, the others hear")
def test_what_one_says_the_others_hear(running: ServerProcess) -> None:
    with running.join() as ada, running.join() as ben:
        types(ada, "Ada")
        ada.wait_for("ack", id=ada.say("hello")["id"])
        assert ben.hear("hello")["user"] == "Ada"


@pytest.mark.behaviour("Still: what makes no sense is refused in words")
def test_what_makes_no_sense_is_refused(running: ServerProcess) -> None:
    with running.join() as ada:
        names = (7, "x" * 41)
        hear_refusals(ada, *({"type": "typing", "name": n} for n in names))


def told(person: Person) -> Locator:
    """Where a page says that Ada is typing."""
    return person.page.get_by_text(re.compile(r"\bAda\b.*\btyping")).first


def is_told(person: Person) -> None:
    """Wait until a page says that Ada is typing."""
    expect(told(person), "expected “Ada … typing”").to_be_visible()


def is_not_told(person: Person) -> None:
    """Wait until a page does not say so."""
    expect(told(person), "expected no “Ada … typing”").not_to_be_visible()


@pytest.mark.behaviour("In the browser: the others see it, until it is over")
def test_the_others_see_it_until_it_is_over(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    ben = person(running, "Ben")
    ada.writing.fill("hel")
    is_told(ben)
    is_not_told(ada)
    ada.writing.fill("")
    is_not_told(ben)
    ada.writing.fill("hello")
    is_told(ben)
    ada.writing.press("Enter")
    ben.sees("hello")
    is_not_told(ben)
