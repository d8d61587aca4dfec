"""The pages of every stage, with one person."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Route, WebSocketRoute, expect

from ..support.browser import NO_SERVER, People, Person, box_of
from ..support.server_process import NEWEST, ROOT, ServerProcess, Stage, start

pytestmark = pytest.mark.stages(1)

EXCESS = """() => {
    const { scrollHeight, scrollWidth } = document.documentElement;
    return [scrollWidth - innerWidth, scrollHeight - innerHeight];
}"""
"""Pixels by which a page is larger than the window."""

shared = pytest.mark.stages(1, 1)
"""For tests of shared/ui alone, which need only one stage."""

HEADINGS = {
    "/": "Party Chat",
    "/chats": "All Chats",
    "/chats/hello-world": "Hello, World!",
    "/usage": "Usage",
}
MARKUP = [
    "<b>bold</b> &amp; <!-- gone -->",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</textarea><svg/onload=alert(1)>",
    "${alert(1)} `<${Component} />` {{ 7*7 }}",
]


@pytest.fixture(scope="module")
def shell(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all these tests: no page changes what another shows."""
    with start(stage) as running:
        yield running


def test_pages_are_linked(shell: ServerProcess, person: People) -> None:
    ada = person(shell)
    heading = ada.page.get_by_role("heading", level=1)
    link = ada.page.get_by_role("link", name="Find a room")
    ada.go("/")
    expect(heading).to_have_text("Party Chat")
    link.click()
    expect(heading).to_have_text("All Chats")
    rooms = ada.page.get_by_role("main").get_by_role("link")
    expect(rooms).to_have_text(
        ["Hello, World!", "Party Chat", "On-Page Help", "Room #4"]
    )
    ada.page.get_by_role("link", name="Room #4").click()
    expect(heading).to_have_text("Room #4")
    expect(ada.page).to_have_title("Room #4 · Party Chat")
    expect(ada.button("Sign in to write")).to_be_visible()
    ada.page.get_by_role("link", name="Usage").click()
    expect(heading).to_have_text("Usage")
    expect(ada.page.get_by_role("link", name="Usage")).to_have_attribute(
        "aria-current", "page"
    )
    ada.page.get_by_role("banner").get_by_role("link").first.click()
    expect(heading).to_have_text("Party Chat")


@shared
def test_not_found_page_links_back(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.go("/chats/nowhere", status=404)
    heading = ada.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("No such page")
    ada.page.get_by_role("link", name="See all chats").click()
    expect(heading).to_have_text("All Chats")
    ada.go("/nowhere/at/all", status=404)
    ada.page.get_by_role("link", name="Go to the start").click()
    expect(heading).to_have_text("Party Chat")


@shared
def test_name_is_kept_for_its_tab_until_logout(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.go("/")
    ada.sign_in("Ada")
    expect(ada.page.get_by_role("dialog")).to_be_hidden()
    bob = person(shell, "Bob", beside=ada)
    greetings = [each.page.get_by_role("banner") for each in (ada, bob)]
    ada.page.reload()
    bob.page.reload()
    for greeting, name in zip(greetings, ("Ada", "Bob"), strict=True):
        expect(greeting).to_contain_text(f"Hi {name}!")
    ada.go("/usage")
    expect(greetings[0]).to_contain_text("Hi Ada!")
    ada.button("Log out").click()
    for each in (ada, bob):
        each.page.reload()
    expect(ada.button("Sign in")).to_be_visible()
    expect(greetings[0]).not_to_contain_text("Ada")
    expect(greetings[1]).to_contain_text("Hi Bob!")


@shared
def test_invalid_name_is_refused_with_a_reason(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.go("/")
    ada.button("Sign in").click()
    field = ada.page.get_by_label("Your name")
    problem = ada.page.get_by_role("alert")
    for name, words in [
        ("  ", "Please type a name."),
        ("ai", "This name is taken: choose another one."),
        ("Al", "This name looks like the AI’s: add a surname, for example."),
        ("\u200b", "A message needs a name: text of 1 to 40 characters."),
        ("x" * 41, "40 characters at most."),
    ]:
        field.fill(name)
        field.press("Enter")
        expect(problem).to_have_text(words)
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
    ada.button("Cancel").click()
    ada.button("Sign in").click()
    expect(field).to_have_value("")
    expect(problem).to_be_empty()
    field.fill("  Ada ")
    field.press("Enter")
    expect(ada.page.get_by_role("banner")).to_contain_text("Hi Ada!")


def test_messages_appear_in_order_as_typed(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, MARKUP[1], "party-chat")
    ada.page.on("dialog", lambda dialog: ada.problems.append(dialog.message))
    expect(ada.page.get_by_role("banner")).to_contain_text(f"Hi {MARKUP[1]}!")
    expect(ada.writing).to_be_focused()  # whichever button she took
    said = ["first", "two\nlines", "first", *MARKUP]
    for text in said:
        ada.say(text)
    ada.sees_all(*said)
    expect(ada.messages.locator(".name")).to_have_text([MARKUP[1]] * len(said))
    assert ada.messages.locator(".body *").count() == 0
    lines = ada.messages.nth(1).locator(".body")
    one = ada.messages.nth(0).locator(".body")
    assert box_of(lines)["height"] > 1.5 * box_of(one)["height"]


@shared
def test_enter_sends_and_shift_enter_breaks_a_line(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, "Ada", "on-page-help")
    ada.writing.type("one")
    ada.writing.press("Shift+Enter")
    ada.writing.type("two")
    composing = {"key": "Enter", "isComposing": True, "cancelable": True}
    ada.writing.dispatch_event("keydown", composing)
    expect(ada.writing).to_have_value("one\ntwo")
    ada.writing.press("Enter")
    ada.sees("one\ntwo")
    expect(ada.writing).to_have_value("")


@shared
def test_message_too_long_or_empty_is_not_sent(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, "Ada", "room-4")
    ada.writing.fill("  ")
    ada.writing.press("Enter")
    expect(ada.writing).to_have_value("  ")
    ada.writing.fill("x" * 3_990)
    expect(ada.page.get_by_text("10 left")).to_be_visible()
    ada.writing.fill("x" * 4_001)
    expect(ada.page.get_by_text("1 character too many")).to_be_visible()
    ada.writing.press("Enter")
    expect(ada.writing).to_have_value("x" * 4_001)
    ada.say("🎈" * 4_000)  # counted as people count
    ada.sees_all("🎈" * 4_000)


def test_pages_are_usable_by_keyboard(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.go("/chats")
    press = ada.page.keyboard.press
    expect(ada.button("Sign in")).to_be_visible()
    press("Tab")
    expect(ada.page.get_by_role("link", name="Skip")).to_be_focused()
    press("Enter")
    press("Tab")
    expect(ada.page.get_by_role("link", name="Hello, W")).to_be_focused()
    press("Enter")
    expect(ada.button("Sign in to write")).to_be_visible()
    reach(ada, ada.button("Sign in"))
    press("Enter")
    expect(ada.page.get_by_label("Your name")).to_be_focused()
    press("Escape")
    expect(ada.button("Sign in")).to_be_focused()
    press("Space")
    expect(ada.page.get_by_label("Your name")).to_be_focused()
    ada.page.keyboard.type("Ada")
    press("Enter")
    expect(ada.writing).to_be_focused()
    ada.page.keyboard.type("without a mouse")
    reach(ada, ada.button("Send"))
    press("Space")
    ada.sees("without a mouse")
    expect(ada.writing).to_be_focused()


def reach(person: Person, wanted: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(15):
        person.page.keyboard.press("Tab")
        if wanted.evaluate("(it) => it === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def test_pages_have_landmarks_and_labels(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, "Ada", "room-4")
    ada.say("hello")
    ada.sees("hello")
    hear(ada)
    for path in HEADINGS:
        ada.go(path)
        expect(ada.button("Log out")).to_be_visible()
        hear(ada)
    ada.go("/nowhere", status=404)
    ada.button("Log out").click()
    ada.button("Sign in").click()
    hear(ada)


def hear(person: Person) -> None:
    """Check that all that a page says has a name and a place."""
    page = person.page
    outline = page.locator("body").aria_snapshot()
    for landmark in ["banner", "main", "contentinfo"]:
        assert len(re.findall(rf"^- {landmark}\b", outline, re.M)) == 1
    assert '- navigation "Pages"' in outline
    controls = r"^ *- (?:button|link|textbox|log|img|dialog)\b(?! \").*$"
    assert re.findall(controls, outline, re.M) == []
    levels = [int(n) for n in re.findall(r"\[level=(\d)\]", outline)]
    assert levels.count(1) == 1
    assert set(levels) == set(range(1, max(levels) + 1))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("img:not([alt])").count() == 0
    ids = page.locator("[id]").evaluate_all("(all) => all.map((e) => e.id)")
    assert len(ids) == len(set(ids))


@shared
def test_usage_page_shows_zero_at_first(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.go("/usage")
    number = ada.page.get_by_role("main").get_by_text("0", exact=True)
    expect(number).to_be_visible()
    assert box_of(number)["height"] > 150
    expect(ada.page.get_by_role("status")).to_have_text("Tokens used: 0")
    assert ada.sockets == []


@pytest.mark.stages(1, 1)
def test_messages_stay_in_one_page_in_stage_1(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, "Ada")
    bob = person(shell, "Bob")
    ada.say("hello?")
    ada.sees("hello?")
    bob.say("is anybody there?")
    bob.sees_all("is anybody there?")
    ada.sees_all("hello?")
    ada.page.reload()
    expect(ada.page.get_by_text("It’s quiet in here.")).to_be_visible()
    ada.sees_all()
    for path in HEADINGS:
        ada.go(path)
        expect(ada.button("Log out")).to_be_visible()
    assert ada.sockets == bob.sockets == []


@pytest.fixture(params=[1, NEWEST])
def first_or_newest(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """The stage whose messages live in a page, and the one that has most."""
    with start(Stage(request.param, ROOT / f"demo_0{request.param}")) as each:
        yield each


def test_room_fits_the_window(
    first_or_newest: ServerProcess, person: People
) -> None:
    """Hidden elements once stretched the document."""

    def fits() -> None:
        for width, height in [(390, 844), (640, 700), (1280, 800)]:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(EXCESS) == [0, 0], (width, height)

    ada = person(first_or_newest)
    page = ada.page
    ada.enter()
    fits()
    ada.button("Sign in").click()
    fits()
    ada.button("Cancel").click()
    ada.sign_in("Ada " + "x" * 36)
    for count in range(60):
        ada.say(f"{count}")
    ada.sees("59")
    fits()
    page.keyboard.press("Alt+W")
    expect(page.get_by_role("region", name="Wire")).to_be_visible()
    fits()
    ada.writing.fill("line\n" * 100)
    fits()


PASTE = """async (isPlain) => {
    const box = document.getElementById("message");
    const area = isPlain ? document.createElement("textarea") : box;
    if (isPlain) {
        const style = getComputedStyle(box);
        for (const name of ["font", "width", "height", "white-space"]) {
            area.style.setProperty(name, style.getPropertyValue(name));
        }
        area.style.position = "fixed";
        document.body.append(area);
    }
    const drawn = () => new Promise(requestAnimationFrame).then(
        () => new Promise(requestAnimationFrame));
    area.focus();
    await drawn();
    const start = performance.now();
    document.execCommand("insertText", false, "lorem ipsum ".repeat(87_381));
    await drawn();
    const time = performance.now() - start;
    area.select();
    document.execCommand("delete");
    await drawn();
    if (isPlain) area.remove();
    return time;
}"""
"""Milliseconds to paste 1 MB."""


@shared
def test_pasting_1_mb_takes_little_longer_than_into_a_plain_textarea(
    shell: ServerProcess, person: People
) -> None:
    """It once took ten times as long, for its direction and its height."""
    ada = person(shell, "Ada")
    took: dict[bool, list[float]] = {True: [], False: []}
    for is_plain in [True, False] * 3:
        took[is_plain].append(ada.page.evaluate(PASTE, is_plain))
    assert min(took[False]) <= 2 * min(took[True]) + 200, took


@shared
def test_message_is_written_in_the_direction_of_its_script(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell, "Ada")
    for text, direction in [
        ("", "ltr"),
        ("hello", "ltr"),
        ("1. שלום", "rtl"),
        ("مرحبا hello", "rtl"),
        ("hello שלום", "ltr"),
    ]:
        ada.writing.fill(text)
        expect(ada.writing).to_have_attribute("dir", direction)


@shared
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("message_list.js", 2),
        ("style.css", 2),
        ("hooks.mjs", 2),
        ("inspector.js", None),  # without this part, the page works
    ],
)
def test_page_reloads_when_a_part_did_not_load(
    shell: ServerProcess, person: People, name: str, times: int | None
) -> None:
    ada = person(shell)
    ada.expect_error(NO_SERVER)
    ada.page.route(f"**/{name}", lambda route: route.abort(), times=times)
    ada.enter("hello-world?wire")
    expect(ada.button("Sign in to write")).to_be_visible()
    expect(ada.page.get_by_role("banner")).to_have_css("display", "grid")
    ada.sign_in("Ada")


@shared
def test_page_offers_a_retry_after_failed_reloads(
    shell: ServerProcess, person: People
) -> None:
    ada = person(shell)
    ada.expect_error(NO_SERVER)
    ada.page.route("**/message_list.js", lambda route: route.abort())
    ada.enter()
    alert = ada.page.get_by_role("alert")
    expect(alert).to_contain_text("A part of this page did not load.")
    with ada.page.expect_navigation():
        ada.button("Try again").click()
    expect(alert).to_contain_text("A part of this page did not load.")
    ada.page.unroute("**/message_list.js")
    ada.button("Try again").click()
    ada.sign_in("Ada")


@pytest.mark.stages(5)
@pytest.mark.parametrize("path", ["/", "/chats/hello-world"])
def test_page_polls_slowly_while_a_proxy_answers(
    shell: ServerProcess, person: People, path: str
) -> None:
    """It once asked twice a second for each socket."""

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502, body="Bad Gateway")

    def drop(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    asked: list[str] = []
    sockets: list[WebSocketRoute] = []
    ada = person(shell)
    ada.expect_error(".* status of 502")
    ada.page.clock.install()
    ada.page.route_web_socket(re.compile("/parties/"), drop)
    ada.go(path)
    expect(ada.button("Sign in")).to_be_visible()
    has_socket = path != "/"
    if has_socket:
        ada.is_told("Connected")
    ada.page.clock.run_for(5_000)
    ada.page.route("**/build", refuse)
    for socket in sockets:
        socket.close()
    for _ in range(150):
        ada.page.clock.run_for(200)
        ada.page.wait_for_timeout(10)
    assert 4 <= len(asked) <= 12
    ada.page.unroute("**/build")
    ada.page.clock.run_for(10_000)
    if has_socket:
        ada.is_told("Connected again")
