"""The inspector, or wire panel (stage 2 and later, but for one test)."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from ..support.browser import NO_SERVER, People, Person, box_of
from ..support.server_process import ServerProcess, Stage, start

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

LOADED = re.compile(r"/inspector/\w+\.(js|css)$")
NO_SOCKETS = "This page has no sockets."

KEEP_SOCKETS = """
globalThis.raw = [];
globalThis.socketOf = (party) =>
  raw.find(({ url }) => url.includes(`/parties/${party}/`));
globalThis.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    raw.push(this);
  }
};
"""
"""Makes a page's sockets available to a test."""

WRAPPED = 'raw.some((socket) => Object.hasOwn(socket, "send"))'

CHATTER = """
() => {
  const frame = JSON.stringify({ type: "x" });
  for (let n = 0; n < 500; n++) socketOf("chatroom").send(frame);
}
"""
"""Five hundred frames at once, each of which is answered by an error."""


UNUSUAL = """
() => {
  socketOf("presence").send(new Uint8Array([0xc1, 0xff, 0x0a]));
  socketOf("presence").send(new Blob([new Uint8Array([0xc3])]));
}
"""
"""Bytes that are no msgpack, and `true` as a Blob."""


class Watcher:
    """A person with an open inspector."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page = person.page
        self.panel = self.page.get_by_role("region", name="Wire", exact=True)
        self.rows = self.panel.get_by_role("listitem")
        self.requests: list[str] = []
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.add_init_script(KEEP_SOCKETS)

    def _asked(self, url: str) -> None:
        if LOADED.search(url):
            self.requests.append(url)

    def go(self, path: str = "/chats/hello-world?wire") -> None:
        """Open a page."""
        self.person.go(path)

    def press(self, keys: str) -> None:
        """Press keys at the current focus."""
        self.page.keyboard.press(keys)

    def of(self, party: str, way: str = "") -> Locator:
        """Return the rows of a party, or of one direction."""
        rows = self.rows.filter(has_text=re.compile(f"{party}/"))
        return rows.and_(self.page.locator(f".{way}")) if way else rows

    def frames(self, party: str, way: str) -> list[Any]:
        """Return the contents of frames as the panel shows them."""
        lines = self.of(party, way).locator("summary").all_inner_texts()
        return [json.loads(line) for line in lines]

    def sizes(self, party: str, way: str) -> list[str]:
        """Return the panel's rows of one direction."""
        said = self.page.get_by_text(way, exact=True)
        told = self.of(party, way).locator("p").filter(has=said)
        return told.locator(":last-child").all_inner_texts()

    def shows(self, party: str, *lines: str) -> None:
        """Wait until the rows of a party hold these, in this order."""
        expected = [re.compile(line, re.S) for line in lines]
        expect(self.of(party)).to_have_text(expected)

    def ears(self) -> list[str]:
        """Return the event types with listeners on the first socket."""
        cdp = self.page.context.new_cdp_session(self.page)
        found = cdp.send("Runtime.evaluate", {"expression": "raw[0]"})
        ears = cdp.send(
            "DOMDebugger.getEventListeners",
            {"objectId": found["result"]["objectId"]},
        )
        return sorted(ear["type"] for ear in ears["listeners"])


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    """One server for the tests that do not stop it."""
    with start(stage, MAX_MESSAGES_PER_SECOND="1000") as running:
        yield running


@pytest.fixture
def watch(server: ServerProcess, person: People) -> Callable[..., Watcher]:
    """Return a function that opens a page with the inspector."""

    def seat(at: ServerProcess = server, **options: Any) -> Watcher:
        return Watcher(person(at, **options))

    return seat


def test_inspector_shows_frames_from_the_first(
    watch: Callable[..., Watcher], server: ServerProcess
) -> None:
    """With their directions and sizes."""
    ada = watch()
    ada.go("/chats/room-4?wire")
    ada.shows("chatroom", "opened$", r'"history"')
    ada.person.sign_in("Ada")
    ada.person.say("naïve 🎈")
    ada.person.is_sent("naïve 🎈")
    with server.join("room-4") as bob:
        bob.say("hello", "Bob")
        ada.person.sees("hello")
    ada.shows("chatroom", "opened$", '"history"', "naïve", '"ack"', '"hello"')
    for way in ("in", "out"):
        texts = ada.of("chatroom", way).locator("summary").all_inner_texts()
        sizes = [f"{len(text.encode()):,} B text" for text in texts]
        assert ada.sizes("chatroom", way) == sizes
    (said,) = ada.frames("chatroom", "out")
    assert said["type"] == "message"
    assert said["message"]["body"] == "naïve 🎈"
    _, ack, update = ada.frames("chatroom", "in")
    assert ack == {"type": "ack", "id": said["message"]["id"], "seq": 0}
    assert update["message"]["user"] == "Bob"
    ada.of("chatroom", "in").last.locator("summary").press("Enter")
    whole = ada.of("chatroom", "in").last.locator("pre")
    expect(whole).to_have_text(json.dumps(update, indent=2))


def test_inspector_is_toggled_by_a_key(
    watch: Callable[..., Watcher],
) -> None:
    """Also while somebody writes; before that, nothing of it is loaded."""
    ada = watch()
    ada.go("/chats/hello-world")
    ada.person.is_told("Connected")
    ada.person.sign_in("Ada")
    ada.person.say("unheard")
    ada.person.is_sent("unheard")
    assert ada.requests == []
    assert not ada.page.evaluate(WRAPPED)
    before = ada.ears()
    ada.person.writing.fill("half a sent")
    ada.press("Alt+w")
    expect(ada.panel).to_be_focused()
    assert ada.ears() != before
    assert ada.requests
    assert ada.page.evaluate(WRAPPED)
    ada.press("Alt+w")
    expect(ada.panel).to_have_count(0)
    expect(ada.person.writing).to_be_focused()
    expect(ada.person.writing).to_have_value("half a sent")
    assert ada.ears() == before
    assert not ada.page.evaluate(WRAPPED)


def test_inspector_stays_over_a_reload_until_closed(
    watch: Callable[..., Watcher],
) -> None:
    ada = watch()
    ada.go("/usage?wire")
    expect(ada.panel).to_be_visible()
    expect(ada.panel).not_to_be_focused()
    ada.page.reload()
    expect(ada.panel).to_be_visible()
    ada.page.get_by_role("link", name="All Chats").click()
    expect(ada.panel).to_contain_text(NO_SOCKETS)
    ada.page.go_back()
    expect(ada.panel).not_to_contain_text(NO_SOCKETS)
    ada.panel.get_by_role("button", name="Close").click()
    expect(ada.panel).to_have_count(0)
    ada.page.reload()
    expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(ada.panel).to_have_count(0)


def test_inspector_decodes_binary_frames(
    watch: Callable[..., Watcher], server: ServerProcess, person: People
) -> None:
    ada = watch()
    ada.go()
    ada.person.is_told("Connected")
    expect(ada.of("presence", "in").first).to_contain_text('"sync"')
    ada.page.mouse.move(320, 200)
    bob = person(server)
    bob.enter()
    expect(ada.of("presence", "in").last).to_contain_text('"country":"')
    frames = ada.frames("presence", "out")
    assert {frame["type"] for frame in frames} == {"join", "update"}
    assert frames[-1]["presence"]["cursor"]["x"] == 320 / 1280
    ada.page.evaluate(UNUSUAL)
    bytes = ada.of("presence", "out").filter(has_text="3 B binary")
    expect(bytes.locator("summary")).to_have_text("c1 ff 0a")
    blob = ada.of("presence", "out").filter(has_text="1 B binary")
    expect(blob.locator("summary")).to_have_text("true")


@pytest.mark.stages(4, 4)
def test_inspector_pause_keeps_rows_and_counts_frames(
    watch: Callable[..., Watcher], server: ServerProcess
) -> None:
    """Without presence, which would add frames of its own."""
    ada = watch()
    ada.go("/chats/party-chat?wire")
    ada.shows("chatroom", "opened$", '"history"')
    with server.join("party-chat") as bob:
        ada.panel.get_by_role("button", name="Pause").click()
        for text in ("one", "two"):
            bob.say(text)
            ada.person.sees(text)
        expect(ada.panel).to_contain_text("2 more")
        expect(ada.rows).to_have_count(2)
        ada.press("Alt+p")
        ada.shows("chatroom", "opened$", '"history"', '"one"', '"two"')
        expect(ada.panel).not_to_contain_text("more")
        ada.panel.get_by_role("button", name="Clear").click()
        expect(ada.rows).to_have_count(0)
        bob.say("three")
        ada.shows("chatroom", '"three"')


def test_inspector_truncates_long_frames_and_keeps_the_last_500(
    watch: Callable[..., Watcher],
) -> None:
    """And somebody can still write."""
    ada = watch()
    ada.go()
    ada.person.is_told("Connected")
    ada.page.evaluate('socketOf("chatroom").send("é".repeat(30_000))')
    row = ada.of("chatroom", "out").last
    expect(row).to_contain_text("60,000 B text")
    # By the keyboard: the mouse would make frames, and move the rows.
    row.locator("summary").press("Enter")
    expect(row.locator("pre")).to_contain_text("é… (only the first 20000")
    assert row.locator("pre").inner_text().count("é") == 20_000
    ada.person.sign_in("Ada")
    ada.page.evaluate(CHATTER)
    ada.person.say("still here")
    ada.person.is_sent("still here")
    expect(ada.of("chatroom", "in").last).to_contain_text('"ack"')
    expect(ada.rows).to_have_count(500)
    expect(ada.rows.last).to_be_in_viewport()
    ada.panel.get_by_role("group", name="Frames").press("Home")
    expect(ada.rows.first).to_be_in_viewport()
    ada.person.say("further down")
    expect(ada.of("chatroom", "out").last).to_contain_text("further down")
    expect(ada.rows.last).not_to_be_in_viewport()


def test_inspector_shows_a_reconnection(
    serve: Callable[..., ServerProcess], watch: Callable[..., Watcher]
) -> None:
    running = serve()
    ada = watch(running)
    ada.person.expect_error(NO_SERVER)
    ada.go()
    ada.shows("chatroom", "opened$", '"history"')
    running.kill()
    lost = ada.of("chatroom").filter(has_text="closed · 1006 · no reason")
    expect(lost.first).to_be_visible()
    ada.person.is_told("Reconnecting…")
    running.start()
    ada.person.is_told("Connected again")
    opened = ada.of("chatroom").filter(has_text="opened")
    expect(opened).to_have_count(2)
    expect(ada.of("chatroom").last).to_contain_text('"history"')
    running.stop()
    ended = ada.of("chatroom").filter(has_text="closed · 1012 ·")
    expect(ended).to_have_count(1)


def test_inspector_covers_nothing(
    watch: Callable[..., Watcher],
) -> None:
    ada = watch()
    ada.go()
    form = ada.page.locator("form.message-form")
    rows = ada.panel.locator(".inspector-rows")
    for width in (1280, 390):
        ada.page.set_viewport_size({"width": width, "height": 800})
        panel, write = box_of(ada.panel), box_of(form)
        beside = write["x"] + write["width"] <= panel["x"]
        above = write["y"] + write["height"] <= panel["y"]
        assert beside if width > 960 else above
        assert not rows.evaluate("box => box.scrollWidth > box.clientWidth")


def test_inspector_expands_a_long_frame_in_view(
    watch: Callable[..., Watcher],
) -> None:
    """In a window of half a projector, where the panel is low."""
    ada = watch(viewport={"width": 640, "height": 700})
    ada.go()
    ada.person.is_told("Connected")
    long = json.dumps({"type": "x", "words": ["word"] * 100})
    ada.page.evaluate("(frame) => socketOf('chatroom').send(frame)", long)
    row = ada.of("chatroom", "out").last
    summary, whole = row.locator("summary"), row.locator("pre")
    line = "(it) => parseFloat(getComputedStyle(it).lineHeight)"
    lines = box_of(summary)["height"] / summary.evaluate(line)
    assert 2.9 < lines < 3.1
    expect(ada.of("chatroom", "in").last).to_contain_text("error")
    expect(ada.rows.last).to_be_in_viewport()
    summary.press("Enter")
    expect(whole).to_have_text(json.dumps(json.loads(long), indent=2))
    expect(whole).to_be_in_viewport()
    summary.press("Enter")
    expect(whole).to_have_count(0)


@pytest.mark.parametrize("presses", [0, 3])
def test_inspector_leaves_the_newest_message_in_view(
    watch: Callable[..., Watcher], presses: int
) -> None:
    """In half a projector's window, also with the largest text."""
    ada = watch(viewport={"width": 640, "height": 700})
    ada.go("/chats/on-page-help")
    ada.person.is_told("Connected")
    ada.person.sign_in("Ada")
    for _ in range(presses):
        ada.page.get_by_role("log").press("+")
    for number in range(5):
        ada.person.say(f"message {number}")
    ada.press("Alt+w")
    expect(ada.panel).to_be_focused()
    newest = f"Hi Grace! {presses}"
    ada.person.say(newest)
    box = box_of(ada.page.get_by_role("log"))
    bubble = box_of(ada.person.sees(newest).locator(".bubble"))
    assert box["y"] <= bubble["y"]
    assert bubble["y"] + bubble["height"] <= box["y"] + box["height"]
    panel = box_of(ada.panel)
    assert box["y"] + box["height"] < panel["y"]
