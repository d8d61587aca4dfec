"""The size of the text, for a hall: the keys + and −."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ..support.browser import People, Person, box_of
from ..support.server_process import ServerProcess, Stage, start
from ..support.stubs import OpenAIStub
from .test_pages import EXCESS

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

SIZES = [(1280, 800), (640, 700)]
PRESSES = 3
"""Presses of a key from the usual size to the largest, or back."""

MIN_TEXT, MIN_CODE = 28, 22
"""Pixels that the last row of a hall can read."""

SMALLEST = """(within) => {
  const hasText = (each) =>
    each.matches("textarea") ||
    [...each.childNodes].some(({ nodeType, data }) =>
      nodeType === 3 && data.trim());
  const sizes = [...document.querySelectorAll(`${within} *`)]
    .filter((each) => each.checkVisibility() && hasText(each))
    .map((each) => parseFloat(getComputedStyle(each).fontSize));
  return Math.min(...sizes);
}"""
"""The size of the smallest text in an element, in pixels."""

ZOOM = "() => getComputedStyle(document.body).getPropertyValue('--zoom')"

ZOOM_AT_BODY = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  observer.disconnect();
  const { style } = document.documentElement;
  globalThis.zoomAtBody = style.getPropertyValue("--zoom");
}).observe(document, { childList: true, subtree: true });
"""
"""Remember the size when the body begins, before anything is painted."""


@pytest.fixture(scope="module")
def running(stage: Stage) -> Iterator[ServerProcess]:
    """One server for the tests without an AI."""
    with start(stage) as running:
        yield running


def enlarge(person: Person) -> None:
    """Make the text as large as it gets, by the keyboard."""
    person.page.get_by_role("main").focus()
    for _ in range(PRESSES + 1):
        person.page.keyboard.press("+")
    assert zoom_of(person) == 1.75


def zoom_of(person: Person) -> float:
    """Return the factor by which the text is enlarged."""
    return float(person.page.evaluate(ZOOM))


def size_of(width: int, height: int) -> Any:
    """Return the option for a window of that size."""
    return {"width": width, "height": height}


@pytest.mark.parametrize("size", SIZES)
def test_zoom_makes_a_room_readable_without_losing_its_layout(
    ai_server: ServerProcess,
    model: OpenAIStub,
    person: People,
    size: tuple[int, int],
) -> None:
    model.reply = " ".join(["Dolphins leap, and the hall reads along."] * 3)
    ada = person(ai_server, viewport=size_of(*size))
    ada.enter()
    ada.is_told("Connected")
    enlarge(ada)
    assert ada.page.evaluate(SMALLEST, "main") >= MIN_TEXT
    ada.sign_in("Ada Lovelace")
    bob = person(ai_server, "Bob", viewport=size_of(*size))
    ada.say("write a haiku about dolphins, as long as a line in a hall is")
    expect(ada.messages).to_have_count(2)
    ada.sees(model.reply)
    bob.page.mouse.move(300, 300)
    expect(ada.page.locator(".cursor")).to_contain_text("Bob")
    assert ada.page.evaluate(SMALLEST, "main") >= MIN_TEXT
    assert ada.page.evaluate(EXCESS) == [0, 0]
    ada.can_read()
    box = box_of(ada.page.get_by_role("log"))
    assert box["height"] > size[1] / 4
    newest = box_of(ada.messages.last)
    assert newest["y"] + newest["height"] <= box["y"] + box["height"]
    write = box_of(ada.page.locator("form.message-form"))
    assert write["y"] + write["height"] <= size[1]


@pytest.mark.parametrize("size", SIZES)
def test_zoom_makes_usage_and_code_readable(
    running: ServerProcess, person: People, size: tuple[int, int]
) -> None:
    ada = person(running, viewport=size_of(*size))
    ada.go("/usage")
    enlarge(ada)
    assert ada.page.evaluate(SMALLEST, "main") >= MIN_TEXT
    assert ada.page.evaluate(EXCESS) == [0, 0]
    ada.go("/whats-new")
    assert zoom_of(ada) == 1.75
    assert ada.page.evaluate(SMALLEST, ".rows") >= MIN_CODE
    assert ada.page.evaluate(EXCESS)[0] == 0
    ada.can_read()


def test_zoom_is_shared_by_all_windows_and_kept(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    beside = person(running, beside=ada)
    other = person(running)
    for each in (beside, other):
        each.go("/usage")
    enlarge(ada)
    beside.page.wait_for_function(f"({ZOOM})() === '1.75'")
    beside.page.add_init_script(ZOOM_AT_BODY)
    beside.page.reload()
    assert beside.page.evaluate("zoomAtBody") == "1.75"
    assert zoom_of(other) == 1
    for _ in range(PRESSES + 1):
        beside.page.keyboard.press("-")
    ada.page.wait_for_function(f"({ZOOM})() === '1'")


def test_zoom_keys_are_text_in_a_text_field(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    ada.writing.press_sequentially("1+1-=")
    expect(ada.writing).to_have_value("1+1-=")
    assert zoom_of(ada) == 1
    ada.page.get_by_role("main").focus()
    ada.page.keyboard.press("Alt++")
    assert zoom_of(ada) == 1


def test_zoom_has_buttons_that_name_its_keys(
    running: ServerProcess, person: People
) -> None:
    ada = person(running)
    ada.go("/chats")
    ada.button("Larger text (key +)").press("Enter")
    assert zoom_of(ada) == 1.25
    ada.button("Smaller text (key −)").click()
    assert zoom_of(ada) == 1


def test_zoom_survives_blocked_storage(
    running: ServerProcess, person: People
) -> None:
    ada = person(running)
    ada.page.add_init_script(
        "Object.defineProperty(window, 'localStorage',"
        " { get() { throw new DOMException('blocked', 'SecurityError'); } })"
    )
    ada.go("/chats")
    enlarge(ada)
