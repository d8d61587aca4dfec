"""Open pages, when another stage or another build of theirs begins to run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from ..support.browser import NO_SERVER, People, Person
from ..support.presenting import Presenting, copy_stages, presenting
from ..support.server_process import ServerProcess, Stage, start


def is_of(tab: Person, stage: int) -> None:
    """Wait until a page is of that stage, and its module runs."""
    footer = tab.page.locator("footer code")
    expect(footer).to_have_text(f"demo_{stage:02}")
    expect(tab.page.locator("#page > *").first).to_be_visible()


@pytest.fixture
def present() -> Iterator[Presenting]:
    """Present, from stage 1."""
    with presenting() as present:
        present.runs(1)
        yield present


def test_open_tabs_reload_for_another_stage(
    present: Presenting, person: People
) -> None:
    """Also those that somebody goes back to, in their history."""
    present.press("2")
    present.runs(2)
    room, home, usage, back = tabs = [person(present) for _ in range(4)]
    room.enter()
    room.sign_in("Ada")
    room.is_told("Connected")
    home.go("/")
    usage.go("/usage")
    back.enter()
    back.go("/chats")
    for stage in (5, 1):
        room.writing.fill(f"written before stage {stage}")
        present.press(str(stage))
        for tab in tabs:
            is_of(tab, stage)
        expect(room.writing).to_have_value(f"written before stage {stage}")
        expect(room.writing).to_be_focused()
    back.page.go_back()
    is_of(back, 1)
    room.sockets.clear()
    room.page.reload()
    room.say("nobody hears this")
    room.sees_all("nobody hears this")
    assert room.sockets == []


def test_open_tabs_show_that_the_demo_has_ended(
    present: Presenting, person: People
) -> None:
    present.press("2")
    present.runs(2)
    room, home = person(present), person(present)
    room.enter()
    room.sign_in("Ada")
    room.is_told("Connected")
    home.go("/")
    for tab in (room, home):
        tab.expect_error(NO_SERVER)
    present.press("qq")
    for tab in (room, home):
        expect(tab.page.get_by_role("heading", name="The end")).to_be_visible()
        main = tab.page.get_by_role("main")
        expect(main).to_contain_text("The demo has ended.")
        expect(main).to_contain_text("60 lines")
        expect(main).to_contain_text("make start-02")
    assert present.is_gone() == 0
    expect(room.page.get_by_role("main")).to_contain_text("The demo has ended.")
    expect(room.page.get_by_text("Reconnecting…")).to_have_count(0)


@pytest.fixture
def stumbling(tmp_path: Path) -> Iterator[Presenting]:
    """Present stages of which the third does not start."""
    (copy_stages(tmp_path) / "demo_03/app.py").write_text("not Python", "utf-8")
    with presenting(tmp_path) as present:
        present.runs(1)
        yield present


@pytest.mark.soak
def test_pages_wait_for_a_starting_stage(
    stumbling: Presenting, person: People
) -> None:
    stumbling.press("2")
    stumbling.runs(2)
    room, home = person(stumbling, "Ada"), person(stumbling)
    home.go("/")
    room.is_told("Connected")
    stumbling.press("3")
    stumbling.shows("It does not run")
    room.is_told("Reconnecting…")
    room.tries_to_connect(1)
    stumbling.press("4")
    is_of(room, 4)
    is_of(home, 4)
    room.is_told("Connected")


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[ServerProcess]:
    """Stage 2, in a copy that can be changed while it runs."""
    stage = Stage(2, copy_stages(tmp_path) / "demo_02")
    with start(stage, RELOAD="1") as running:
        yield running


@pytest.mark.soak
def test_saved_module_runs_at_once_and_messages_stay(
    saved: ServerProcess, person: People
) -> None:
    """Neither what was said, nor what is being written in this room."""
    ada, eve = person(saved, "Ada"), person(saved)
    eve.go("/")
    ada.say("said before")
    ada.is_sent("said before")
    ada.writing.fill("a thought, not yet")
    module = saved.stage.folder / "ui/room.js"
    text = module.read_text("utf-8")
    changed = 'document.title = "Changed";\nmount(Room);'
    module.write_text(text.replace("mount(Room);", changed), "utf-8")
    expect(ada.page).to_have_title("Changed")
    ada.sees_all("said before")
    ada.is_told("Connected")
    expect(ada.writing).to_have_value("a thought, not yet")
    ada.page.keyboard.type(" finished")
    ada.page.keyboard.press("Enter")
    ada.sees_all("said before", "a thought, not yet finished")
    ada.page.reload()
    expect(ada.writing).to_have_value("")
    ada.writing.fill("a draft")
    ada.enter("room-4")
    expect(ada.writing).to_have_value("")
    ada.enter()
    expect(ada.writing).to_have_value("a draft")
    page = saved.stage.folder.parent / "shared/ui/pages/page.html"
    page.write_text(
        page.read_text("utf-8").replace("<footer>", "<footer>New: "), "utf-8"
    )
    for tab in (ada, eve):
        expect(tab.page.locator("footer")).to_contain_text("New: ")
    ada.sees_all("said before", "a thought, not yet finished")


@pytest.mark.soak
@pytest.mark.stages(5)
def test_page_reloads_once_for_a_build_it_does_not_get(
    running: ServerProcess, person: People
) -> None:
    """As behind a balancer, with servers of two builds."""
    ada = person(running)
    loads: list[str] = []
    asked: list[str] = []
    builds = ["other 1", "other 2"]

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=builds[len(asked) % len(builds)])

    ada.page.route("**/build", answer)
    ada.page.on("framenavigated", lambda frame: loads.append(frame.url))
    ada.go("/")
    while len(asked) < 5:
        ada.page.wait_for_event("request", lambda it: it.url.endswith("/build"))
    assert len(loads) == 1 + len(builds)
