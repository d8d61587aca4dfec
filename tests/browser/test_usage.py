"""The usage page as people see it (stage 4 and later)."""

import pytest
from playwright.sync_api import expect

from ..support.browser import NO_SERVER, People, Person
from ..support.server_process import ServerProcess
from ..support.stubs import OpenAIStub

pytestmark = pytest.mark.stages(4)

RECORD = """
() => {
  const number = document.querySelector(".tally .number");
  window.shown = [number.textContent];
  new MutationObserver(() => shown.push(number.textContent))
    .observe(number, { childList: true, characterData: true, subtree: true });
}
"""
"""Note down every number that the page shows."""


def watch(watcher: Person) -> None:
    """Open the usage page, and wait until it is connected."""
    with watcher.page.expect_websocket() as socket:
        watcher.go("/usage")
    if not socket.value.is_closed():
        expect(watcher.page.get_by_role("status")).to_be_attached()


def shows(watcher: Person, number: int) -> None:
    """Wait until the page shows that number, and says it."""
    shown = watcher.page.locator(".tally .number")
    expect(shown).to_have_text(f"{number:,}")
    said = f"Tokens used: {number}"
    expect(watcher.page.get_by_role("status")).to_have_text(said)


def spend(person: Person, model: OpenAIStub, text: str) -> int:
    """Ask something; returns the tokens that the reply took."""
    person.say(text)
    exchange = model.next_request()
    assert exchange.wait_until_over()
    return sum(exchange.usage())


@pytest.mark.behaviour("In the browser: the number goes up when others chat")
def test_tally_goes_up_in_every_browser(
    ai_server: ServerProcess, model: OpenAIStub, person: People
) -> None:
    eve = person(ai_server)
    watch(eve)
    shows(eve, 0)
    main = eve.page.get_by_role("main")
    expect(main).to_contain_text("stub-1 (OpenAI)")
    ada = person(ai_server, "Ada")
    bob = person(ai_server, "Bob", "party-chat")
    sum = 0
    for asker, text in [(ada, "one"), (bob, "two"), (ada, "three")]:
        sum += spend(asker, model, text)
        shows(eve, sum)
    eve.page.reload()
    shows(eve, sum)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_tally_is_animated_unless_motion_is_reduced(
    ai_server: ServerProcess, model: OpenAIStub, person: People, motion: str
) -> None:
    model.reply = ["word "] * 3000
    eve = person(ai_server, reduced_motion=motion)
    watch(eve)
    shows(eve, 0)
    eve.page.evaluate(RECORD)
    sum = spend(person(ai_server, "Ada"), model, "a long story, please")
    shows(eve, sum)
    shown = [int(each.replace(",", "")) for each in eve.page.evaluate("shown")]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (0, sum)
    assert len({*shown}) == 2 if motion == "reduce" else len(shown) > 3


def test_tally_is_restored_after_a_killed_server(
    ai_server: ServerProcess, model: OpenAIStub, person: People
) -> None:
    """The server forgets; the page does not add the new to the old."""
    eve = person(ai_server)
    eve.expect_error(NO_SERVER)
    watch(eve)
    ada = person(ai_server, "Ada")
    ada.expect_error(NO_SERVER)
    first = spend(ada, model, "before")
    shows(eve, first)
    ai_server.kill()
    eve.tries_to_connect(1)
    shows(eve, first)
    ai_server.start()
    shows(eve, 0)
    ada.is_told("Connected again")
    second = spend(ada, model, "after that")
    assert second != first
    shows(eve, second)


@pytest.mark.behaviour(
    "In the browser: the page has one socket, to the usage party"
)
def test_usage_page_has_one_socket(
    ai_server: ServerProcess, person: People
) -> None:
    eve = person(ai_server)
    watch(eve)
    shows(eve, 0)
    (url,) = eve.sockets
    assert "/parties/usage/total?_pk=" in url
