"""The usage page as people see it (stage 4 and later)."""

from collections.abc import Callable, Iterator

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


@pytest.fixture
def model() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def running(
    serve: Callable[..., ServerProcess], model: OpenAIStub
) -> ServerProcess:
    """The stage, with that model."""
    return serve(
        AI="openai",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="sk-test",
        OPENAI_MODEL="stub-1",
    )


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
    running: ServerProcess, model: OpenAIStub, person: People
) -> None:
    eve = person(running)
    watch(eve)
    shows(eve, 0)
    ada = person(running, "Ada")
    bob = person(running, "Bob", "party-chat")
    sum = 0
    for asker, text in [(ada, "one"), (bob, "two"), (ada, "three")]:
        sum += spend(asker, model, text)
        shows(eve, sum)
    eve.page.reload()
    shows(eve, sum)


def test_tally_is_animated(
    running: ServerProcess, model: OpenAIStub, person: People
) -> None:
    model.reply = ["word "] * 3000
    eve = person(running, reduced_motion="no-preference")
    watch(eve)
    shows(eve, 0)
    eve.page.evaluate(RECORD)
    sum = spend(person(running, "Ada"), model, "a long story, please")
    shows(eve, sum)
    shown = [int(each.replace(",", "")) for each in eve.page.evaluate("shown")]
    assert len(shown) > 3
    assert shown == sorted(shown)
    assert shown[0] == 0
    assert shown[-1] == sum > 3000


def test_tally_is_not_animated_with_reduced_motion(
    running: ServerProcess, model: OpenAIStub, person: People
) -> None:
    eve = person(running, reduced_motion="reduce")
    watch(eve)
    shows(eve, 0)
    eve.page.evaluate(RECORD)
    sum = spend(person(running, "Ada"), model, "hello")
    shows(eve, sum)
    assert set(eve.page.evaluate("shown")) == {"0", str(sum)}


def test_tally_is_restored_after_a_killed_server(
    running: ServerProcess, model: OpenAIStub, person: People
) -> None:
    """The server forgets; the page does not add the new to the old."""
    eve = person(running)
    eve.expect_error(NO_SERVER)
    watch(eve)
    ada = person(running, "Ada")
    ada.expect_error(NO_SERVER)
    first = spend(ada, model, "before")
    shows(eve, first)
    running.kill()
    eve.tries_to_connect(1)
    shows(eve, first)
    running.start()
    shows(eve, 0)
    ada.is_told("Connected again")
    second = spend(ada, model, "after that")
    assert second != first
    shows(eve, second)


def test_usage_page_names_the_model(
    running: ServerProcess, person: People
) -> None:
    eve = person(running)
    watch(eve)
    main = eve.page.get_by_role("main")
    expect(main).to_contain_text("stub-1 (OpenAI)")
    expect(eve.page.get_by_text("stub-1")).to_be_visible()


@pytest.mark.behaviour(
    "In the browser: the page has one socket, to the usage party"
)
def test_usage_page_has_one_socket(
    running: ServerProcess, person: People
) -> None:
    eve = person(running)
    watch(eve)
    shows(eve, 0)
    (url,) = eve.sockets
    assert "/parties/usage/total?_pk=" in url
