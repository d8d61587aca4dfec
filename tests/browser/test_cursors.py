"""Everybody's cursors, in real browsers (stage 5 and later)."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, WebSocket, expect

from ..support.browser import NO_SERVER, People, Person, box_of
from ..support.server_process import ServerProcess, Stage, start

pytestmark = pytest.mark.stages(5)

FLAGS = {"AT": "🇦🇹", "TW": "🇹🇼", "DE": "🇩🇪"}
SLACK = 8.0
"""Seconds in which cursors are back after a restart; 3 on a free machine."""

PHONE: dict[str, Any] = {
    "has_touch": True,
    "is_mobile": True,
    "viewport": {"width": 390, "height": 844},
}
ROOM = "hello-world"


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all the tests that do not stop it."""
    with start(stage) as running:
        yield running


@pytest.fixture
def at(server: ServerProcess, person: People) -> Callable[..., Person]:
    """Seat somebody in a room, who is there once this returns."""

    def seat(locale: str = "de-DE", name: str = "", **options: Any) -> Person:
        options.setdefault("reduced_motion", "reduce")
        somebody = person(server, name, locale=locale, **options)
        if not name:
            somebody.enter(ROOM)
        somebody.is_told("Connected")
        return somebody

    return seat


def cursors(person: Person) -> Locator:
    """The cursors that somebody sees."""
    return person.page.locator(".cursors .cursor")


def point(person: Person, x: float, y: float) -> None:
    """Move the mouse there, in fractions of the window."""
    size = person.page.viewport_size
    assert size
    person.page.mouse.move(x * size["width"], y * size["height"])


def sees_at(person: Person, x: float, y: float) -> None:
    """Wait until somebody sees the one cursor there, in fractions."""
    expect(cursors(person)).to_have_count(1)
    size = person.page.viewport_size
    assert size
    wanted = (x * size["width"], y * size["height"])
    end = time.monotonic() + 10
    while True:
        box = box_of(cursors(person))
        # The tip of the arrow is at 2, 2 of its box, which begins at -2, -2.
        seen = (box["x"] + 2, box["y"] + 2)
        if max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) < 3:
            return
        assert time.monotonic() < end, f"{seen} is not {wanted}"
        person.page.wait_for_timeout(50)


@pytest.mark.stages(4, 4)
def test_cursors_are_absent_before_stage_5(
    server: ServerProcess, person: People
) -> None:
    ada, bob = person(server, "Ada"), person(server, "Bob")
    point(ada, 0.3, 0.3)
    point(bob, 0.6, 0.6)
    ada.page.wait_for_timeout(300)
    for each in (ada, bob):
        assert each.page.locator(".cursors, .cursor").count() == 0
        assert not any("presence" in url for url in each.sockets)


@pytest.mark.behaviour(
    "In the browser: two people see each other's cursors, with flag and name"
)
def test_cursor_has_a_flag_and_a_name(
    at: Callable[..., Person],
) -> None:
    """In windows of different sizes."""
    big = {"width": 1400, "height": 900}
    name = "<b>Ada</b><img src=x>"
    ada = at("de-AT", name, viewport=big)
    bob = at("zh-TW", "Bob", viewport={"width": 800, "height": 600})
    for x, y in [(0.25, 0.25), (0.5, 0.75), (0.01, 0.95)]:
        point(ada, x, y)
        sees_at(bob, x, y)
        point(bob, y, x)
        sees_at(ada, y, x)
    expect(cursors(bob)).to_have_text(f"{FLAGS['AT']}{name}")
    expect(cursors(ada)).to_have_text(f"{FLAGS['TW']}Bob")
    expect(cursors(ada)).to_have_class(re.compile("mouse"))


def test_cursors_are_sent_to_a_newcomer(
    at: Callable[..., Person],
) -> None:
    ada = at("de-AT")
    point(ada, 0.25, 0.75)
    bob = at("de")
    sees_at(bob, 0.25, 0.75)
    expect(cursors(bob)).to_have_text(FLAGS["AT"])
    point(bob, 0.5, 0.5)
    sees_at(ada, 0.5, 0.5)
    expect(cursors(ada)).to_have_text("")  # German is no country
    eve = at()
    expect(cursors(eve)).to_have_count(2)
    colours = "all => all.map((e) => getComputedStyle(e).color)"
    seen = cursors(eve).evaluate_all(colours)
    assert len(set(seen)) == 2
    point(ada, 0.35, 0.35)
    sees_at(bob, 0.35, 0.35)
    assert cursors(eve).evaluate_all(colours) == seen


@pytest.mark.behaviour(
    "In the browser: signing in changes the name at the cursor"
)
def test_cursor_label_follows_signing_in_and_out(
    at: Callable[..., Person],
) -> None:
    ada, bob = at("de-AT"), at()
    point(ada, 0.3, 0.3)
    expect(cursors(bob)).to_have_text(FLAGS["AT"])
    colour = "e => getComputedStyle(e).color"
    before = cursors(bob).evaluate(colour)
    ada.sign_in("Ada")
    expect(cursors(bob)).to_have_text(f"{FLAGS['AT']}Ada")
    assert cursors(bob).evaluate(colour) != before
    ada.button("Log out").click()
    expect(cursors(bob)).to_have_text(FLAGS["AT"])


def test_cursor_does_not_take_clicks(at: Callable[..., Person]) -> None:
    ada, bob = at("de-AT", "Ada"), at("de-DE", "Bob")
    button = box_of(bob.button("Log out"))
    size = bob.page.viewport_size
    assert size
    x = (button["x"] + button["width"] / 2) / size["width"]
    y = (button["y"] + button["height"] / 2) / size["height"]
    point(ada, x, y)
    sees_at(bob, x, y)
    hit = "([x, y]) => document.elementFromPoint(x, y).closest('button')?.id"
    spot = [x * size["width"] + 1, y * size["height"] + 1]
    assert bob.page.evaluate(hit, spot) is not None
    bob.page.mouse.click(*spot)
    expect(bob.button("Sign in")).to_be_visible()
    # Nor of those who hear the page, nor does it make it scroll.
    expect(bob.page.locator(".cursors")).to_have_attribute(
        "aria-hidden", "true"
    )
    point(ada, 0.999, 0.999)
    sees_at(bob, 0.999, 0.999)
    root = "document.documentElement"
    wider = f"{root}.scrollWidth > {root}.clientWidth"
    assert bob.page.evaluate(wider) is False


@pytest.mark.behaviour("In the browser: a cursor goes with its owner")
def test_cursor_is_removed_with_its_connection(
    at: Callable[..., Person],
) -> None:
    ada, bob, eve = at("de-AT"), at(), at("zh-TW")
    point(ada, 0.3, 0.3)
    point(eve, 0.6, 0.6)
    expect(cursors(bob)).to_have_count(2)
    ada.page.context.close()
    expect(cursors(bob)).to_have_count(1)
    expect(cursors(bob)).to_have_text(FLAGS["TW"])
    eve.go("/chats")
    expect(cursors(bob)).to_have_count(0)


def test_cursor_is_removed_when_the_mouse_leaves_or_the_page_is_hidden(
    at: Callable[..., Person],
) -> None:
    """A hidden page has no animation frames."""
    ada, bob = at("de-AT"), at()
    point(ada, 0.3, 0.3)
    sees_at(bob, 0.3, 0.3)
    ada.page.mouse.move(-10, -10)
    expect(cursors(bob)).to_have_count(0)
    point(ada, 0.4, 0.4)
    sees_at(bob, 0.4, 0.4)
    ada.page.evaluate(
        """
        () => {
          Object.defineProperty(document, "hidden", { get: () => true });
          window.requestAnimationFrame = () => 1;
          const type = "visibilitychange";
          document.dispatchEvent(new Event(type, { bubbles: true }));
        }
        """
    )
    expect(cursors(bob)).to_have_count(0)


def test_cursors_remove_their_listeners_with_their_component(
    at: Callable[..., Person],
) -> None:
    ada = at()
    ada.page.evaluate(
        """async () => {
          const { render } = await import("htm/preact");
          render(null, document.getElementById("page"));
        }"""
    )
    # Each listener reads `document.hidden`; those of sockets go as they close.
    ada.page.wait_for_function(
        """() => {
          let reads = 0;
          const hidden = { get: () => reads++ > 0, configurable: true };
          Object.defineProperty(document, "hidden", hidden);
          dispatchEvent(new Event("visibilitychange"));
          document.dispatchEvent(new Event("visibilitychange"));
          return reads === 0;
        }"""
    )


Touch = Callable[..., None]


def finger(person: Person) -> Touch:
    """A finger on somebody's phone, to be put there, moved and lifted."""
    session = person.page.context.new_cdp_session(person.page)

    def touch(type: str, *places: tuple[float, float]) -> None:
        points = [{"x": x * 390, "y": y * 844} for x, y in places]
        session.send(
            "Input.dispatchTouchEvent", {"type": type, "touchPoints": points}
        )

    return touch


def test_cursor_follows_a_finger_while_it_touches(
    at: Callable[..., Person],
) -> None:
    """Browsers follow a tap with what an old page takes for a mouse."""
    ada, bob = at("de-AT", **PHONE), at()
    ada.page.evaluate("addEventListener('click', () => window.clicked = true)")
    ada.page.touchscreen.tap(195, 400)
    ada.page.wait_for_function("window.clicked")
    ada.page.wait_for_timeout(300)
    expect(cursors(bob)).to_have_count(0)
    touch = finger(ada)
    for _ in range(2):
        touch("touchStart", (0.25, 0.4))
        sees_at(bob, 0.25, 0.4)
        expect(cursors(bob)).to_have_class(re.compile("touch"))
        touch("touchMove", (0.5, 0.45))
        sees_at(bob, 0.5, 0.45)
        touch("touchEnd")
        expect(cursors(bob)).to_have_count(0)


@pytest.mark.behaviour("In the browser: moves are sent once a frame at most")
def test_cursor_moves_are_sent_once_per_animation_frame(
    server: ServerProcess, person: People
) -> None:
    sent: list[Any] = []

    def heard(socket: WebSocket) -> None:
        if "/parties/presence/" in socket.url:
            socket.on("framesent", lambda frame: sent.append(frame))

    ada = person(server)
    bob = person(server, locale="de-DE", reduced_motion="reduce")
    bob.enter(ROOM)
    ada.page.on("websocket", heard)
    ada.enter(ROOM)
    ada.is_told("Connected")
    point(ada, 0.2, 0.2)
    sees_at(bob, 0.2, 0.2)
    ada.page.evaluate(
        """
        () => {
          window.frames_ = 0;
          const count = () => { frames_++; requestAnimationFrame(count); };
          requestAnimationFrame(count);
        }
        """
    )
    before = len(sent)
    # In the page itself, 200 events come much faster than frames do.
    ada.page.evaluate(
        """
        async () => {
          for (let i = 0; i < 2000; i++) {
            const at = { clientX: 100 + i / 20, clientY: 300, bubbles: true };
            for (const type of ["pointermove", "mousemove"])
              document.body.dispatchEvent(
                new PointerEvent(type, { ...at, pointerType: "mouse" }));
            if (i % 100 === 99) await new Promise((r) => setTimeout(r, 5));
          }
        }
        """
    )
    for step in range(50):
        point(ada, 0.2 + step / 100, 0.5)
    sees_at(bob, 0.2 + 49 / 100, 0.5)
    drawn = ada.page.evaluate("frames_")
    assert 3 <= len(sent) - before <= drawn + 2


def test_cursors_return_after_a_killed_server(
    serve: Callable[..., ServerProcess],
    person: People,
) -> None:
    """For each other and for a newcomer, though no mouse moved since."""
    running = serve()
    calm = {"reduced_motion": "reduce"}
    ada = person(running, "Ada", locale="de-AT", **calm)
    bob = person(running, "Bob", locale="zh-TW", **calm)
    eve = person(running, locale="de-DE", **calm)
    for each in (ada, bob):
        each.expect_error(NO_SERVER)
        each.is_told("Connected")
    point(ada, 0.3, 0.3)
    point(bob, 0.6, 0.6)
    sees_at(ada, 0.6, 0.6)
    sees_at(bob, 0.3, 0.3)
    running.kill()
    expect(cursors(ada)).to_have_count(0)
    point(ada, 0.4, 0.4)  # offline: only the latest counts
    point(ada, 0.5, 0.2)
    running.start()
    began = time.monotonic()
    sees_at(ada, 0.6, 0.6)
    sees_at(bob, 0.5, 0.2)
    eve.enter()
    expect(cursors(eve)).to_have_count(2)
    assert time.monotonic() - began < SLACK
    expect(cursors(ada)).to_have_text(f"{FLAGS['TW']}Bob")
    expect(cursors(bob)).to_have_text(f"{FLAGS['AT']}Ada")
