"""What's new as people see it: on a projector, and on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ..integration.test_news import PAGE, before, named_by_diff
from ..support.browser import People, Person
from ..support.server_process import ServerProcess, Stage, start

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

PROJECTOR = {"width": 1280, "height": 800}
HALF = {"width": 640, "height": 700}
PHONE = {"width": 390, "height": 844}

LINES = """
() => [...document.querySelectorAll(".file .rows")].map((rows) =>
  ["old", "new"].map((side) =>
    [...rows.querySelectorAll("li." + side)].map((li) => {
      const { left, right, top, bottom } = li.getBoundingClientRect();
      return { left, right, top, bottom,
        same: !rows.classList.contains("changed"),
        whole: !rows.closest(".changes") };
    })))
"""
"""Where each block's old and new lines are."""

UNFOLD = "document.querySelectorAll('details').forEach((d) => d.open = true)"


@pytest.fixture(scope="module")
def running(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all tests of this file: they only read."""
    with start(stage) as running:
        yield running


def look(
    person: People, running: ServerProcess, size: Any, **options: Any
) -> Person:
    """Somebody who looks at the page: all files are there, and can be read."""
    ada = person(running, viewport=size, **options)
    ada.go(PAGE)
    expect(ada.button("Sign in")).to_be_visible()
    ada.page.evaluate(UNFOLD)
    headings = ada.page.locator(".file h3 > code")
    for heading in headings.all():
        expect(heading).to_be_visible()
    stage = running.stage
    files = named_by_diff(before(stage), stage.folder)
    assert sorted(headings.all_text_contents()) == sorted(files)
    assert fits(ada)
    ada.can_read()
    return ada


def fits(ada: Person) -> bool:
    """Whether nothing is wider than the window."""
    return bool(
        ada.page.evaluate(
            "document.documentElement.scrollWidth <= innerWidth && "
            "[...document.querySelectorAll('.rows, .rows code')].every((each)"
            " => each.scrollWidth <= each.clientWidth)"
        )
    )


def test_whats_new_has_two_columns_on_a_projector(
    running: ServerProcess, person: People
) -> None:
    ada = look(person, running, PROJECTOR, color_scheme="light")
    beside = 0
    for old, new in ada.page.evaluate(LINES):
        if new and new[0]["whole"]:
            assert new[0]["right"] - new[0]["left"] > 0.9 * PROJECTOR["width"]
        for one, two in zip(old, new, strict=False):
            assert one["top"] == two["top"]
            assert one["right"] <= two["left"]
            beside += 1
    assert beside > 50
    for side, sign in (
        ("old", '"−" / "removed: "'),
        ("new", '"+" / "added: "'),
    ):
        shown = ada.page.locator(f".changed .{side} code").first.evaluate(
            "each => getComputedStyle(each, '::before').content"
        )
        assert shown == sign


def test_whats_new_has_one_column_on_a_phone(
    running: ServerProcess, person: People
) -> None:
    ada = look(person, running, PHONE, color_scheme="dark")
    above = 0
    for old, new in ada.page.evaluate(LINES):
        if new and new[0]["same"]:
            assert not any(each["right"] for each in old)
        elif old and new:
            assert old[-1]["bottom"] <= new[0]["top"]
            assert old[0]["left"] == new[0]["left"]
            above += 1
    assert above


@pytest.mark.parametrize("presses", [0, 3])
def test_whats_new_has_two_columns_only_where_they_fit(
    running: ServerProcess, person: People, presses: int
) -> None:
    """A projector has them, but for the largest text; half of one has none."""
    ada = look(person, running, PROJECTOR)
    for _ in range(presses):
        ada.page.get_by_role("main").press("+")
    columns = (
        "(it) => getComputedStyle(it).gridTemplateColumns.split(' ').length"
    )
    rows = ada.page.locator(".changes .rows.changed").first
    assert rows.evaluate(columns) == (1 if presses else 2)
    assert fits(ada)
    ada.page.set_viewport_size(HALF)
    assert rows.evaluate(columns) == 1
    assert fits(ada)
    font = "(it) => parseFloat(getComputedStyle(it).fontSize)"
    assert rows.evaluate(font) >= (22 if presses else 16)


def test_whats_new_is_linked_and_links_its_files(
    running: ServerProcess, person: People
) -> None:
    """The page itself works without JavaScript, and by keyboard."""
    ada = person(running, viewport=PHONE)
    ada.go("/chats/hello-world")
    ada.page.get_by_role("link", name="What’s new").click()
    expect(ada.page).to_have_url(running.url + PAGE)
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("What’s new")
    files = ada.page.get_by_role("navigation", name="Files")
    for link in files.get_by_role("link").all():
        link.click()
        name = link.text_content() or ""
        heading = ada.page.locator(":target h3")
        expect(heading).to_contain_text(name)
        expect(heading).to_be_in_viewport()
    ada = person(running, viewport=PROJECTOR, java_script_enabled=False)
    ada.go(PAGE)
    expect(ada.page.locator(".file").first).to_be_visible()
    expect(ada.page.get_by_text("JavaScript")).to_have_count(0)
    folded = ada.page.locator("details").first
    expect(folded.locator(".new").first).to_be_hidden()
    folded.locator("summary").focus()
    ada.page.keyboard.press("Enter")
    expect(folded.locator(".new").first).to_be_visible()
    number = re.search(r"\d+", folded.locator("summary").inner_text())
    assert number
    expect(folded.locator(".new")).to_have_count(int(number[0]))
