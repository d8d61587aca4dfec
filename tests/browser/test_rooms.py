"""Rooms with several people in several browsers (stage 2 and later)."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import (
    Locator,
    Route,
    WebSocket,
    WebSocketRoute,
    expect,
)

from ..support.browser import NO_SERVER, People, Person, box_of, is_easy_to_tap
from ..support.server_process import PATIENCE, ROOT, ServerProcess, Stage, start
from ..support.tcp_proxy import LateHandshake, TCPProxy, proxy_to, run_proxy

pytestmark = pytest.mark.stages(2)

WAKE = "type => document.dispatchEvent(new Event(type, { bubbles: true }))"
"""Dispatches an event as when a laptop is opened."""

CHATS = re.compile("/parties/chatroom/")
"""The URLs of the chat rooms' sockets."""

OLDER = re.compile(r"\?before=")
"""The URLs of older messages."""

shared = pytest.mark.stages(4)
"""For tests of shared/ui with the room.js that stages 2 to 4 have in common.

`make soak` runs them for stage 4, without the fast transport, and `make test`
for the newest stage, with it.
"""


@pytest.fixture(scope="module")
def rooms(stage: Stage) -> Iterator[ServerProcess]:
    """One server for the tests that do not depend on earlier messages."""
    with start(stage) as running:
        yield running


@pytest.fixture
def proxy(running: ServerProcess) -> Iterator[TCPProxy]:
    """A TCP connection to the server that can be cut."""
    with proxy_to(running) as proxy:
        yield proxy


@pytest.mark.behaviour(
    "In the browser: what one says, everybody in the room sees"
)
def test_message_is_shown_to_everybody_in_the_room(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    eve = person(running, "Eve", "room-4")
    ada.say("hello")
    bob.sees("hello")
    bob.say("hello yourself")
    ada.sees_all("hello", "hello yourself")
    expect(ada.sees("hello yourself")).to_contain_text("Bob")
    eve.say("alone")
    eve.sees_all("alone")
    late = person(running)
    late.enter()
    late.sees_all("hello", "hello yourself")
    late.is_told("Connected")


@pytest.mark.behaviour("In the browser: a refresh shows what was said")
def test_messages_are_kept_over_a_reload(
    running: ServerProcess, person: People
) -> None:
    ada = person(running, "Ada")
    ada.say("first")
    ada.say("second")
    ada.is_sent("second")
    ada.page.reload()
    ada.sees_all("first", "second")
    ada.say("third")
    ada.is_sent("third")
    ada.page.reload()
    ada.sees_all("first", "second", "third")


def test_own_messages_are_those_of_the_tab(
    running: ServerProcess, person: People
) -> None:
    one = person(running, "Ada")
    other = person(running, "Ada", beside=one)
    one.say("from one")
    other.sees("from one")
    other.say("from the other")
    for _ in range(2):
        one.sees_all("from one", "from the other")
        other.sees_all("from one", "from the other")
        assert on_the_right(one, "from one")
        assert not on_the_right(one, "from the other")
        assert not on_the_right(other, "from one")
        assert on_the_right(other, "from the other")
        one.page.reload()
        other.page.reload()


def on_the_right(person: Person, text: str) -> bool:
    """Tell whether a message's bubble is on the right of the page."""
    box = box_of(person.sees(text).locator(".bubble"))
    size = person.page.viewport_size
    assert size
    return box["x"] + box["width"] / 2 > size["width"] / 2


def test_messages_are_sent_after_a_killed_server(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve()
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    ada.say("before")
    bob.sees("before")
    for each in (ada, bob):
        each.expect_error(NO_SERVER)
        each.is_told("Connected")
    running.kill()
    for each in (ada, bob):
        each.is_told("Reconnecting…")
    ada.tries_to_connect(3)
    ada.say("one")
    ada.say("two")
    expect(ada.sees("two")).to_contain_text("Sending…")
    running.start()
    back = time.monotonic()
    ada.is_told("Connected again")
    bob.is_told("Connected again")
    seconds = time.monotonic() - back
    print(f"The pages were back {seconds:.2f} s after the server.")
    # Two are promised; a busy machine gets some more.
    assert seconds < 4
    # The server forgot what it had; what it never had is said now, once.
    ada.is_sent("two")
    ada.sees_all("one", "two")
    bob.sees_all("one", "two")
    bob.say("after")
    ada.sees_all("one", "two", "after")
    bob.sees_all("one", "two", "after")


@pytest.mark.behaviour(
    "In the browser: who was cut off is told so, and catches up"
)
def test_messages_missed_offline_are_shown(
    running: ServerProcess, proxy: TCPProxy, person: People
) -> None:
    ada = person(running, "Ada")
    bob = person(proxy, "Bob")
    bob.expect_error(NO_SERVER)
    bob.say("hello")
    ada.sees("hello")
    bob.is_told("Connected")
    proxy.cut()
    bob.is_told("Reconnecting…")
    bob.say("from offline")
    ada.say("are you there?")
    ada.say("no?")
    ada.is_sent("no?")
    expect(bob.sees("from offline")).to_contain_text("Sending…")
    proxy.mend()
    said = ["hello", "are you there?", "no?", "from offline"]
    ada.sees_all(*said)
    bob.sees_all(*said)
    bob.is_told("Connected again")
    bob.is_sent("from offline")
    bob.page.reload()
    bob.sees_all(*said)


@shared
@pytest.mark.parametrize("way", ["up", "down"])
def test_message_lost_by_a_dead_connection_is_stored_once(
    running: ServerProcess, proxy: TCPProxy, person: People, way: str
) -> None:
    """As on leaving the Wi-Fi: either the message or its ack is lost."""
    ada = person(proxy)
    ada.page.clock.install()
    ada.enter()
    ada.sign_in("Ada")
    bob = person(running, "Bob")
    ada.expect_error(NO_SERVER)
    ada.say("one")
    ada.is_sent("one")
    proxy.swallow(way)
    ada.say("two")
    expect(ada.sees("two")).to_contain_text("Sending…")
    if way == "down":
        bob.sees("two")
    # Before it connects again, and long before its next ping.
    with ada.page.expect_request("**/build", timeout=7_000):
        ada.page.clock.fast_forward("00:05")
    proxy.mend()
    ada.is_sent("two")
    ada.say("three")
    ada.sees_all("one", "two", "three")
    bob.sees_all("one", "two", "three")


@shared
def test_frozen_connection_is_replaced(
    running: ServerProcess, proxy: TCPProxy, person: People
) -> None:
    ada = person(proxy)
    ada.expect_error(NO_SERVER)
    ada.page.clock.install()
    ada.enter()
    ada.is_told("Connected")
    bob = person(running, "Bob")
    said = []
    for event in ("silence", "online", "focus", "pageshow", "visibilitychange"):
        proxy.freeze()
        said.append(f"before the {event}")
        bob.say(said[-1])
        bob.is_sent(said[-1])
        if event == "silence":
            ada.page.clock.fast_forward("00:15")
        else:
            ada.page.evaluate(WAKE, event)
        ada.page.clock.fast_forward("00:05")
        ada.is_told("Reconnecting…")
        proxy.mend()
        ada.is_told("Connected again")
        ada.sees_all(*said)


QUICK_TIMERS = """
const { setTimeout } = globalThis;
globalThis.setTimeout = (run, milliseconds, ...more) =>
  setTimeout(run, milliseconds / 6, ...more);
AbortSignal.timeout = (milliseconds) => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds / 6);
  return controller.signal;
};
"""
"""Have all that a page waits for take a sixth of the time."""


@shared
def test_page_connects_over_a_slow_line(
    proxy: TCPProxy, person: People
) -> None:
    """More than its first timeout for a round trip, as on a crowded network."""
    ada = person(proxy)
    ada.page.add_init_script(QUICK_TIMERS)
    ada.enter()
    ada.is_told("Connected")
    proxy.cut()
    ada.expect_error(NO_SERVER)
    ada.is_told("Reconnecting…")
    proxy.delay = 1.2 / 6
    proxy.mend()
    ada.is_told("Connected again")


@shared
def test_page_is_not_superseded_by_its_own_late_handshake(
    running: ServerProcess, person: People
) -> None:
    with run_proxy(LateHandshake(running)) as proxy:
        ada = person(proxy)
        ada.page.clock.install()
        with ada.page.expect_websocket(lambda each: CHATS.search(each.url)):
            ada.enter()
        ada.is_told("Connecting…")
        ada.page.clock.fast_forward("00:10")  # as long as a handshake may take
        ada.is_told("Connected")
        assert len(chat_sockets(ada)) > 1
        assert proxy.release().startswith(b"HTTP/1.1 409 ")
        bob = person(running, "Bob")
        bob.say("hello")
        ada.sees_all("hello")
        ada.is_told("Connected")


@pytest.mark.stages(5)
def test_heartbeat_is_not_shown_to_the_page(
    rooms: ServerProcess, person: People
) -> None:
    """Those of all parties; the wire panel shows none of it."""

    def carries(socket: WebSocket) -> None:
        socket.on("framesent", lambda data: sent[socket.url].append(data))
        socket.on("framereceived", lambda data: sent[socket.url].append(data))

    sent: dict[str, list[str | bytes]] = defaultdict(list)
    ada = person(rooms)
    ada.page.clock.install()
    ada.page.on("websocket", carries)
    for path in ("/chats/on-page-help?wire", "/usage?proxy"):
        sent.clear()
        ada.go(path)
        panel = ada.page.get_by_role("region", name="Wire")
        expect(panel.get_by_role("listitem").first).to_be_visible()
        ada.page.wait_for_timeout(500)
        ada.page.clock.fast_forward("00:15")
        deadline = time.monotonic() + PATIENCE
        while not all(each[-1] == "pong" for each in sent.values()):
            assert time.monotonic() < deadline
            ada.page.wait_for_timeout(20)
        assert all(each.count("ping") == 1 for each in sent.values())
        ada.page.clock.fast_forward("00:06")
        expect(panel).not_to_contain_text("closed")
        expect(panel).not_to_contain_text("ping")
        expect(panel).not_to_contain_text("pong")
    assert len(ada.sockets) == 3


def chat_sockets(person: Person) -> list[str]:
    """The URLs of the sockets to a chat room; there may be others."""
    urls = [url.partition("&attempt=")[0] for url in person.sockets]
    return [url for url in urls if "/parties/chatroom/" in url]


@shared
def test_duplicated_page_supersedes_the_first(
    running: ServerProcess, person: People
) -> None:
    """Both have one `_pk`, as a duplicated tab has."""
    old = person(running)
    old.page.context.add_init_script("crypto.randomUUID = () => 'the-same'")
    old.page.clock.install()
    old.enter()
    old.is_told("Connected")
    new = person(running, "Ada", beside=old)
    new.is_told("Connected")
    (only,) = chat_sockets(old)
    assert only.endswith("?_pk=the-same")
    assert chat_sockets(new) == [only]
    old.is_told("This page was opened elsewhere")
    old.page.clock.fast_forward("01:00")
    new.say("still here")
    new.is_sent("still here")
    bob = person(running, "Bob")
    bob.say("so am I")
    new.sees_all("still here", "so am I")
    assert chat_sockets(old) == chat_sockets(new) == [only]
    new.is_told("Connected")


class Line:
    """A route of a person's sockets, which may drop all frames."""

    def __init__(self, person: Person) -> None:
        self.works = True
        self.sockets = 0
        person.page.route_web_socket(CHATS, self.connect)

    def connect(self, socket: WebSocketRoute) -> None:
        """Forward a socket's frames; or let it open, and drop them."""
        self.sockets += 1
        if self.works:
            socket.connect_to_server()


@shared
def test_unsent_messages_are_kept_over_a_reload(
    rooms: ServerProcess, person: People
) -> None:
    ada = person(rooms)
    line = Line(ada)
    line.works = False
    ada.enter("room-4")
    ada.sign_in("Ada")
    ada.say("one")
    ada.say("two")
    expect(ada.sees("two")).to_contain_text("Sending…")
    ada.page.reload()
    ada.sees_all("one", "two")
    expect(ada.sees("one")).to_contain_text("Sending…")
    assert on_the_right(ada, "one")
    line.works = True
    ada.page.reload()
    ada.is_sent("one")
    ada.is_sent("two")
    bob = person(rooms, "Bob", "room-4")
    bob.sees_all("one", "two")
    bob.say("three")
    ada.sees_all("one", "two", "three")


@shared
def test_refused_message_can_be_retried_or_removed(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve(PRESENTER_KEY="a-key-of-16-letters")
    phone = {"width": 390, "height": 844}
    ada = person(running, "Ada", viewport=phone)
    bob = person(running, "Bob")
    presenter(running, "mute", "Ada")
    for text in ("one", "two"):
        ada.say(text)
        expect(ada.sees(text).get_by_role("alert")).to_have_text(
            "Not sent. The presenter has muted this name."
        )
    bob.say("three")
    ada.sees_all("one", "two", "three")
    ada.page.reload()
    ada.sees_all("three", "one", "two")
    again = choice(ada, "one", "Try again")
    remove = choice(ada, "two", "Remove")
    assert all(map(is_easy_to_tap, (again, remove)))
    remove.press("Enter")
    ada.sees_all("three", "one")
    again.press("Enter")
    ada.sees_all("three", "one")
    expect(again).to_be_visible()
    presenter(running, "unmute", "Ada")
    again.focus()
    ada.page.keyboard.press("Space")
    expect(again).not_to_be_attached()
    expect(ada.page.get_by_role("log")).to_be_focused()
    expect(ada.sees("one")).to_have_class(re.compile(r"\bsent\b"))
    bob.sees_all("three", "one")
    ada.page.reload()
    ada.sees_all("three", "one")


def presenter(running: ServerProcess, action: str, name: str) -> None:
    """Do what the presenter can do to a name."""
    does = {"action": action, "name": name}
    answer = running.ask(
        "POST", "/presenter", does, Authorization="Bearer a-key-of-16-letters"
    )
    assert answer.status == 200


def choice(person: Person, text: str, name: str) -> Locator:
    """Return a button at a message."""
    return person.saying(text).get_by_role("button", name=name, exact=True)


@pytest.fixture
def talkative(serve: Callable[..., ServerProcess]) -> ServerProcess:
    """A server with many messages and a short history."""
    running = serve(HISTORY_LIMIT="40", MAX_MESSAGES_PER_SECOND="1000")
    with running.join() as guest:
        for number in range(150):
            guest.say(f"message {number}")
        for _ in range(150):
            guest.wait_for("ack")
    return running


@shared
def test_older_messages_are_loaded_on_scrolling_up(
    talkative: ServerProcess, person: People
) -> None:
    """Also if the first two requests fail."""
    requests: list[str] = []

    def fail_twice(route: Route) -> None:
        requests.append(route.request.url)
        if len(requests) == 1:
            route.abort()
        elif len(requests) == 2:
            route.fulfill(status=503)
        else:
            route.continue_()

    ada = person(talkative)
    ada.page.clock.install()
    ada.page.route(OLDER, fail_twice)
    ada.expect_error("Failed to load resource")
    ada.enter()
    ada.sees("message 149")
    expect(ada.messages).to_have_count(40)
    ada.page.get_by_role("log").focus()
    failed = ada.page.get_by_text("Earlier messages could not be loaded.")
    for first, failures in ((110, 2), (10, 0)):
        top = ada.sees(f"message {first}")
        shown = 150 - max(0, first - 100)
        before = to_the_top(ada, top)
        for _ in range(failures):
            expect(failed).to_be_visible()
            with ada.page.expect_request(OLDER):
                ada.page.clock.fast_forward("00:03")
        expect(ada.messages).to_have_count(shown)
        expect(failed).not_to_be_visible()
        after = box_of(top)
        assert abs(after["y"] + after["height"] - before) < 2
        expect(top).to_be_in_viewport()
    ada.sees_all(*(f"message {number}" for number in range(150)))
    to_the_top(ada, ada.sees("message 0"))
    expect(ada.sees("message 0")).to_be_in_viewport()
    assert len(requests) == 4


def to_the_top(person: Person, top: Locator) -> float:
    """Scroll there, and return the bottom of a message."""
    before: float = top.evaluate(
        """(element) => {
          const box = element.closest("[role=log]");
          box.scrollTop = 0;
          return element.getBoundingClientRect().bottom;
        }"""
    )
    return before


@shared
def test_long_room_is_rendered_in_chunks(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    """A message far from view costs no time when another one comes."""
    count = 1_100
    running = serve(
        HISTORY_LIMIT="2000",
        MAX_MESSAGES_PER_SECOND="5000",
        MAX_ROOM_MESSAGES_PER_SECOND="5000",
    )
    with running.join() as bob:
        for number in range(count):
            bob.say(f"message {number}")
        for _ in range(count):
            bob.wait_for("ack")
        ada = person(running)
        ada.enter()
        ada.sees(f"message {count - 1}")
        expect(ada.messages).to_have_count(count - 500)
        ada.page.get_by_role("log").focus()
        top = ada.sees("message 500")
        before = to_the_top(ada, top)
        expect(ada.messages).to_have_count(count)
        after = box_of(top)
        assert abs(after["y"] + after["height"] - before) < 2
        bob.say("the last")
        ada.button("New messages").click()
        ada.sees("the last")
        bob.say("the very last")
        ada.sees("the very last")
        expect(ada.messages).to_have_count(count - 500 + 2)


SENT_AWAY = """
Math.random = () => 0.5;
globalThis.fetch = async () =>
  new Response(document.documentElement.dataset.build);
globalThis.tries = [];
globalThis.WebSocket = class extends WebSocket {
  constructor(url, ...more) {
    super(url, ...more);
    if (!url.includes("/parties/chatroom/")) return;
    tries.push(Date.now());
    globalThis.tried = this;
  }
};
"""
"""Replaces all that a page waits for, but the clock, before a retry."""

TRIES = "[tries, tried.readyState === WebSocket.CLOSED]"


@pytest.mark.soak
@shared
def test_backoff_grows_with_each_eviction(
    rooms: ServerProcess, person: People
) -> None:
    ada = person(rooms)
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) <= 7:
            socket.close(code=1013, reason="Come back in a moment.")
        else:
            socket.connect_to_server()

    ada.page.route_web_socket(CHATS, connect)
    ada.page.add_init_script(SENT_AWAY)
    ada.page.clock.install()
    ada.enter()
    ada.is_told("Back shortly…")
    waits = waits_until(ada, 8)
    for wait, least in zip(waits, (1, 2, 4, 8, 16, 30, 30), strict=True):
        assert 875 * least <= wait < 875 * least + 5_000
    ada.is_told("Connected again")
    sockets[-1].close(code=1013)
    assert waits_until(ada, 9)[-1] > 26_000
    ada.is_told("Connected again")
    for _ in range(61):  # in steps, so that each heartbeat has its answer
        ada.page.clock.run_for(1_000)
        ada.page.wait_for_timeout(10)
    sockets[-1].close(code=1013)
    waits_until(ada, 10)
    ada.is_told("Connected again")
    sockets[-1].close(code=1013)
    assert 1_750 <= waits_until(ada, 11)[-1] < 7_000
    ada.is_told("Connected again")
    sockets[-1].close(code=1012)
    assert waits_until(ada, 12)[-1] < 3_000


def waits_until(person: Person, count: int) -> list[int]:
    """Advance the clock to that many attempts; return the intervals."""
    deadline = time.monotonic() + 4 * PATIENCE
    while time.monotonic() < deadline:
        tries, closed = person.page.evaluate(TRIES)
        if len(tries) >= count:
            return [b - a for a, b in pairwise(tries)]
        if closed:
            person.page.clock.run_for(100)
        else:
            person.page.wait_for_timeout(10)
    raise AssertionError(f"It tried {len(tries)} times.")


@shared
def test_refused_message_is_not_resent_but_the_others_are(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    """It once was, every 5 s, on a new connection each time."""
    running = serve(MAX_FRAME_BYTES="1024")
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    ada.say("x" * 2_000)
    why = "Not sent. A frame may have 1,024 bytes at most."
    expect(ada.sees("x" * 2_000)).to_contain_text(why)
    ada.writing.focus()
    ada.page.evaluate("document.execCommand('insertText', false, '\\ud83d!')")
    ada.writing.press("Enter")
    ada.is_sent("\ufffd!")
    bob.sees_all("\ufffd!")
    assert len(chat_sockets(ada)) == 1


@shared
def test_rate_limited_message_is_resent(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    """Five may come at once."""
    ada = person(serve(MAX_MESSAGES_PER_SECOND="1"))
    line = Line(ada)
    line.works = False
    ada.enter()
    ada.sign_in("Ada")
    said = [f"number {number}" for number in range(8)]
    for text in said:
        ada.say(text)
    line.works = True
    ada.page.reload()
    expect(ada.sees(said[-1])).to_contain_text("Sending…")
    for text in said:
        ada.is_sent(text)
    ada.sees_all(*said)
    assert line.sockets == 2


@shared
def test_scroll_position_is_kept_for_a_reader(
    rooms: ServerProcess, person: People
) -> None:
    ada = person(rooms, "Ada", "party-chat")
    bob = person(rooms, "Bob", "party-chat")
    for number in range(6):
        bob.say(f"message {number}" + "\n…" * 10)
    first, last = ada.messages.first, ada.messages.nth(5)
    expect(last).to_be_in_viewport()
    expect(first).not_to_be_in_viewport()
    ada.page.get_by_role("log").focus()
    ada.page.keyboard.press("Home")
    expect(first).to_be_in_viewport()
    bob.say("news")
    expect(ada.sees("news")).not_to_be_in_viewport()
    expect(first).to_be_in_viewport()
    ada.page.get_by_role("button", name="New messages").click()
    expect(ada.sees("news")).to_be_in_viewport()
    ada.page.keyboard.press("Home")
    expect(first).to_be_in_viewport()
    ada.say("my own is always shown")
    expect(ada.sees("my own is always shown")).to_be_in_viewport()


@pytest.mark.stages(3)
def test_open_page_and_its_unsent_messages_move_to_the_next_stage(
    stage: Stage, serve: Callable[..., ServerProcess], person: People
) -> None:
    """As in the demo: stop one stage, and start the next."""
    level = stage.level - 1
    before = Stage(level, ROOT / f"demo_{level:02}")
    with start(before) as running:
        ada = person(running, "Ada")
        ada.expect_error(NO_SERVER)
        expect(ada.page.locator("footer")).to_contain_text(str(before))
        ada.say("in the stage before")
        ada.is_sent("in the stage before")
        running.kill()
        ada.is_told("Reconnecting…")
        ada.say("one")
        ada.say("two")
        port = str(running.port)
    running = serve(PORT=port)
    expect(ada.page.locator("footer")).to_contain_text(str(stage))
    ada.is_told("Connected")
    ada.is_sent("two")
    bob = person(running, "Bob")
    ada.say("three")
    for each in (ada, bob):
        each.sees_all("one", "two", "three")
