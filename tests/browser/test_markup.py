"""User input is shown as text, wherever it appears."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from shared.chat.names import name_error, normalize_name

from ..support.browser import People, Person
from ..support.markup import PAYLOADS
from ..support.presenter import KEY, Presenter
from ..support.server_process import (
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.stubs import OpenAIStub

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

NAMES = [each for each in PAYLOADS if len(each) <= 40 and not name_error(each)]

TRAP = """
globalThis.caught = [];
globalThis.pwned = () => void caught.push("it ran");
addEventListener("securitypolicyviolation", (event) => {
  caught.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""

ROWS = """
(messages) => messages.map((message) => {
  const parts = [".name", ".body"].map((part) => message.querySelector(part));
  return parts.map((part) =>
    part.childElementCount ? part.innerHTML : part.textContent);
})
"""
"""Return each message's author and text; of other elements, the markup."""

TEXTS = """
(all) => all.map((each) =>
  each.childElementCount ? each.innerHTML : each.textContent)
"""

KINDS = """
([within, without]) => {
  const kinds = new Set();
  for (const each of document.querySelectorAll(`${within} *`)) {
    if (without && each.closest(without)) continue;
    const names = each.getAttributeNames();
    kinds.add([each.localName, ...names.toSorted()].join(" "));
  }
  return [...kinds, `${document.scripts.length} scripts`].toSorted();
}
"""
"""The elements that the page has, with the names of their attributes."""

JOIN_ALL = """
async ([names, host]) => {
  const presence = { cursor: { x: 0.5, y: 0.5, pointer: "mouse" } };
  await Promise.all(names.map((name) => new Promise((joined) => {
    const id = name in {} ? `my ${name}` : name;
    const query = `_pk=${encodeURIComponent(id)}`;
    const socket = new WebSocket(
      `ws://${host}/parties/presence/hello-world?${query}`);
    const frame = { type: "join", presence, info: { name } };
    socket.onopen = () => socket.send(JSON.stringify(frame));
    socket.onmessage = joined;
  })));
}
"""

OPEN_ALL = """
async ([rooms, host]) => {
  const { TrackedSocket } = await import("shared/sockets/tracked_socket.js");
  const opened = rooms.map((room) => new Promise((done) => {
    const url = `ws://${host}/parties/presence/${encodeURIComponent(room)}`;
    new TrackedSocket(url).onopen = done;
  }));
  await Promise.all(opened);
}
"""


class Target(Person):
    """Somebody whose page must do nothing but show what was written."""

    def __init__(self, person: Person) -> None:
        self.__dict__ = person.__dict__
        self.went: list[str] = []
        self.page.add_init_script(TRAP)
        self.page.on("dialog", lambda dialog: self._opened(dialog.message))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("popup", lambda popup: self._opened(popup.url))
        self.page.on("framenavigated", lambda frame: self._asked(frame.url))

    def _opened(self, what: str) -> None:
        self.problems.append(f"{what} was opened.")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.server.url, "data:image/svg+xml")):
            self.problems.append(f"{url} was asked for.")

    def is_unharmed(self, page: Page | None = None) -> None:
        """Nothing ran, nothing was opened, and the policy stopped nothing."""
        assert self.page.evaluate("caught") == []
        assert len(self.page.frames) == 1
        self.check()

    def kinds(self, within: str = ":root", without: str = "") -> set[str]:
        """Return the contents of an element, without one of its children."""
        return set(self.page.evaluate(KINDS, [within, without]))

    def rows(self, count: int) -> list[list[str]]:
        """Wait until there are that many messages: who said what."""
        expect(self.messages).to_have_count(count)
        busy = self.messages.and_(self.page.locator("[aria-busy=true]"))
        expect(busy).to_have_count(0)
        rows: list[list[str]] = self.messages.evaluate_all(ROWS)
        return rows


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIStub]:
    """A model that says what it is told to."""
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def server(stage: Stage, model: OpenAIStub) -> Iterator[ServerProcess]:
    """One server for all the tests of this file."""
    settings = {
        "AI": "openai",
        "OPENAI_BASE_URL": model.base_url,
        "PRESENTER_KEY": KEY,
        "MAX_MESSAGES_PER_SECOND": "10000",
    }
    with start(stage, **settings) as running:
        yield running


@pytest.fixture
def target(server: ServerProcess, person: People) -> Target:
    return Target(person(server))


def name_in(payload: str) -> str:
    """The payload as a name, where it can be one."""
    return payload if payload in NAMES else "Eve"


def answer(eve: WebSocketClient) -> str:
    """Wait until the AI has answered: what it says."""
    frame = eve.until(
        "an answer",
        lambda frame: (
            frame["type"] == "update" and "status" not in frame["message"]
        ),
    )
    return str(frame["message"]["body"])


def say_all(eve: WebSocketClient, model: OpenAIStub | None) -> list[list[str]]:
    """Say each payload, in its own name, and have it said: who said what."""
    said = []
    for number, payload in enumerate(PAYLOADS):
        name = name_in(payload)
        if model:
            model.reply = [payload]
        eve.say(payload, name, f"{number}{payload}"[:64])
        said.append([name, payload])
        if model:
            assert answer(eve) == payload
            said.append(["AI", payload])
    return said


def test_messages_are_rendered_as_text(
    server: ServerProcess, target: Target, model: OpenAIStub
) -> None:
    """In a name, a body and an id: as it comes, from the history, and on the
    wire.
    """
    assert len(PAYLOADS) >= 100
    target.enter()
    target.is_told("Connected")
    model.reply = "hello"
    with server.join() as eve:
        eve.say("hello", "Eve")
        assert answer(eve) == "hello"
        target.rows(2)
        kinds, message_kinds = target.kinds(without=".messages"), target.kinds()
        said = [["Eve", "hello"], ["AI", "hello"], *say_all(eve, model)]
        assert target.rows(len(said)) == said
        assert target.kinds(without=".messages") == kinds
        assert target.kinds() <= message_kinds | {"article class style"}
        target.is_unharmed()
        target.page.reload()
        assert target.rows(len(said)) == said
        assert target.kinds() <= message_kinds | {"article class style"}
        target.is_unharmed()


def test_own_input_is_rendered_as_text(
    server: ServerProcess, target: Target, model: OpenAIStub
) -> None:
    name = "<svg onload=pwned()>"
    text = "\n".join(each for each in PAYLOADS if each.isprintable())[:3_900]
    model.reply = [text]
    target.go("/chats/party-chat")
    target.sign_in(name)
    expect(target.page.locator(".greeting b")).to_have_text(name)
    target.say(text)
    assert target.rows(2) == [[name, text], ["AI", text]]
    target.writing.fill(text)
    target.page.reload()
    expect(target.writing).to_have_value(text)
    assert target.rows(2) == [[name, text], ["AI", text]]
    target.is_unharmed()


def test_cursor_names_and_ids_are_rendered_as_text(
    server: ServerProcess, target: Target, person: People
) -> None:
    host = f"127.0.0.1:{server.port}"
    crowd = person(server)
    crowd.go("/chats")
    target.enter()
    target.is_told("Connected")
    cursors = target.page.locator(".cursor")
    crowd.page.evaluate(JOIN_ALL, [NAMES[:1], host])
    expect(cursors).to_have_count(1)
    kinds = target.kinds()
    crowd.page.evaluate(JOIN_ALL, [NAMES[1:], host])
    for _ in ("as they come", "as they are"):
        expect(cursors).to_have_count(len(NAMES))
        names = cursors.locator(".cursor-label b").evaluate_all(TEXTS)
        assert sorted(names) == sorted(NAMES)
        assert target.kinds() == kinds
        target.is_unharmed()
        target.page.reload()


def test_inspector_renders_frames_and_rooms_as_text(
    server: ServerProcess, target: Target
) -> None:
    hand = Presenter(server)
    hand.does("pause")
    try:
        # The server would refuse other rooms.
        others = re.compile("/presence/(?!room-4)")
        target.page.route_web_socket(others, lambda _: None)
        target.go("/chats/room-4?wire")
        target.is_told("Connected")
        rows = target.page.locator("#inspector li")
        with server.join("room-4") as eve:
            eve.say("hello", "Eve")
            first = rows.filter(has_text='"hello"').locator("summary")
            first.press("Enter")
            expect(rows.locator("pre")).to_contain_text('"body": "hello"')
            kinds = target.kinds("#wire")
            said = say_all(eve, None)
            target.rows(len(said) + 1)
            sayings = rows.filter(has_text='"role":"user"')
            expect(sayings).to_have_count(len(said) + 1)
    finally:
        hand.does("resume")
    lines = sayings.locator("summary").all_text_contents()
    shown = [json.loads(line)["message"] for line in lines]
    assert [[each["user"], each["body"]] for each in shown][1:] == said
    host = f"127.0.0.1:{server.port}"
    names = [each for each in PAYLOADS if each.isprintable()]
    target.page.evaluate(OPEN_ALL, [names, host])
    opened = rows.filter(has_text="presence/").filter(has_text="opened")
    expect(opened).to_have_count(len(names) + 1)
    rooms = set(opened.locator("b").all_text_contents())
    assert {f"presence/{each}" for each in names} <= rooms
    assert target.kinds("#wire") <= kinds
    target.is_unharmed()


def test_presenter_page_renders_names_as_text(
    server: ServerProcess, target: Target
) -> None:
    hand = Presenter(server)
    muted = list({normalize_name(name): name for name in NAMES}.values())[:-1]
    for name in muted:
        hand.does("mute", name=name)
    with server.join("room-4") as eve:
        eve.say("hello", NAMES[-1])
        eve.wait_for("ack")
    target.go(f"/presenter#{KEY}")
    names = target.page.locator("li b[dir=auto]")
    expect(names.first).to_be_visible()
    shown = names.evaluate_all(TEXTS)
    assert shown[: len(muted)] == muted
    assert NAMES[-1] in shown
    # The page's own, which loads it again when a module did not come.
    assert target.page.locator("script:not([src], [type])").count() == 1
    target.button(f"Unmute {muted[0]}").click()
    words = f"{muted[0]} may speak again."
    expect(target.page.get_by_role("status")).to_have_text(words)
    target.is_unharmed()
    for name in muted[1:]:
        hand.does("unmute", name=name)


def test_not_found_page_does_not_repeat_the_address(
    server: ServerProcess, target: Target
) -> None:
    usual = server.get("/chats/nowhere").text
    for payload in PAYLOADS:
        path = quote(payload, safe="")
        for address in (f"/{path}", f"/chats/{path}", f"/chats/x?{path}"):
            assert server.get(address).text == usual, payload
        assert server.get(f"/parties/chatroom/{path}").status == 404
    for payload in PAYLOADS[::15]:
        target.go(f"/chats/{quote(payload, safe='')}", 404)
        expect(target.page.locator(".lead")).to_be_visible()
        target.is_unharmed()
