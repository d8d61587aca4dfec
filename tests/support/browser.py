"""A real browser for tests, and people who sit at it."""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FloatRect,
    Locator,
    Playwright,
    expect,
    sync_playwright,
)

from .server_process import PATIENCE, Client, skip_or_fail

NAMES = ["chromium", "chromium-browser", "google-chrome"]
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # An address that no browser takes for its own machine, and a name.
    "--host-resolver-rules="
    "MAP 192.0.2.10 127.0.0.2, MAP party.example 127.0.0.1",
]
SLOW = int(1_000 * max(5, 1.5 * PATIENCE))
"""Milliseconds that a page has for anything: these machines may be busy."""

NOT_FOUND = "Failed to load resource: .* status of 404"
NO_SERVER = (
    "WebSocket connection to '.*' failed|Failed to load resource: net::ERR_"
)

WIDER = """
() => [...document.querySelectorAll("html, body, .messages")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.className || box.tagName}: ${box.scrollWidth}px`)
"""
"""Which boxes scroll sideways."""

FADED = r"""
() => {
  const brush = document.createElement("canvas").getContext("2d", {
    willReadFrequently: true,
  });
  function rgba(color) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = color;
    brush.fillRect(0, 0, 1, 1);
    return brush.getImageData(0, 0, 1, 1).data;
  }
  function light(color) {
    const [r, g, b] = [...rgba(color)].slice(0, 3).map((part) =>
      part > 10 ? ((part / 255 + 0.055) / 1.055) ** 2.4 : part / 3295);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  }
  function behind(element) {
    const { backgroundColor } = getComputedStyle(element);
    if (rgba(backgroundColor)[3] === 255) return backgroundColor;
    return behind(element.parentElement);
  }
  function contrast([element, pseudo]) {
    const both = [getComputedStyle(element, pseudo).color, behind(element)];
    const [dark, bright] = both.map(light).sort((a, b) => a - b);
    return bright / dark;
  }
  function hasText([element, pseudo]) {
    if (pseudo) return /^"./.test(getComputedStyle(element, pseudo).content);
    return [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.data.trim());
  }
  return [...document.body.querySelectorAll("*")]
    .filter((each) => each.checkVisibility() && !each.closest("script"))
    .flatMap((each) => [[each, null], [each, "::before"]])
    .filter(hasText)
    .filter((each) => contrast(each) < 4.5)
    .map((each) => `${each[0].textContent.trim()}: ${contrast(each)}`);
}
"""
"""Which texts have too little contrast to what is behind them (WCAG AA)."""

expect.set_options(timeout=SLOW)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Chromium, for as long as the block lasts."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            with nothing_runs():
                yield browser
        finally:
            browser.close()


def launch(playwright: Playwright) -> Browser:
    """The machine's own Chromium, else the one that Playwright brought."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found and not Path(playwright.chromium.executable_path).exists():
        skip_or_fail("There is no Chromium on this machine.")
    # Its sandbox does not start for root, as whom containers run.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return playwright.chromium.launch(
        executable_path=found[0] if found else None,
        args=[*FLAGS, "--no-sandbox"] if root else FLAGS,
    )


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Hide Playwright's event loop, which is left marked as running.

    Else no other test in this process could call `asyncio.run`.
    """
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@contextmanager
def something_runs(browser: Browser) -> Iterator[None]:
    """Show Playwright its event loop again, which `nothing_runs` hid."""
    asyncio._set_running_loop(browser._loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


def box_of(element: Locator) -> FloatRect:
    """Return the place of an element on the screen, in pixels."""
    box = element.bounding_box()
    assert box
    return box


def is_easy_to_tap(button: Locator) -> bool:
    """Whether a button is as large as a fingertip."""
    box = box_of(button)
    return box["height"] >= 44 and box["width"] >= 44


class Person:
    """Somebody at a page, and all that goes wrong in it."""

    def __init__(self, context: BrowserContext, server: Client) -> None:
        self.server = server
        self.expected: list[str] = []
        self.problems: list[str] = []
        self.sockets: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("crash", lambda _: self.problems.append("It crashed."))
        self.page.on("websocket", lambda ws: self.sockets.append(ws.url))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def expect_error(self, pattern: str) -> None:
        """Say which line in the browser's console the test is about."""
        self.expected.append(pattern)

    def check(self) -> None:
        """Fail if anything went wrong in the page."""
        if not self.page.is_closed():
            self.page.evaluate("0")  # its messages have come by now
        wrong = [
            problem
            for problem in self.problems
            if not any(re.match(known, problem) for known in self.expected)
        ]
        assert not wrong, "\n".join(wrong)

    def go(self, path: str, status: int = 200) -> None:
        """Open a page, which is to answer with that status."""
        if status == 404:
            self.expect_error(NOT_FOUND)
        response = self.page.goto(self.server.url + path)
        assert response
        assert response.status == status

    def enter(self, room: str = "hello-world") -> None:
        """Open a room."""
        self.go(f"/chats/{room}")

    def sign_in(self, name: str) -> None:
        """Sign in, as people do."""
        self.button("Sign in").click()
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("Your name").press("Enter")
        expect(self.button("Log out")).to_be_visible()

    def say(self, text: str) -> None:
        """Write a message and send it."""
        self.writing.fill(text)
        self.writing.press("Enter")
        expect(self.writing).to_have_value("")

    def sees(self, text: str) -> Locator:
        """Wait until a message says exactly that, once; returns it."""
        message = self.saying(text)
        expect(message).to_have_count(1)
        expect(message).to_be_visible()
        return message

    def sees_all(self, *texts: str) -> None:
        """Wait until the messages are these, in this order, and no others."""
        expect(self.messages.locator(".body")).to_have_text(list(texts))

    def is_sent(self, text: str) -> None:
        """Wait until the server has kept a message of one's own."""
        expect(self.sees(text)).not_to_have_class(re.compile("sending"))

    def tries_to_connect(self, times: int) -> None:
        """Wait until the page has tried that many times more."""
        for _ in range(times):
            self.page.wait_for_event(
                "requestfailed", lambda asked: asked.url.endswith("/build")
            )

    def is_told(self, words: str) -> None:
        """Wait until the sign of the connection says that."""
        expect(self.sign).to_have_text(words)

    def can_read(self) -> None:
        """Fail if a text is too faint, or if a box scrolls sideways."""
        assert self.page.evaluate(WIDER) == []
        assert self.page.evaluate(FADED) == []

    def saying(self, text: str) -> Locator:
        """The messages that say exactly that."""
        body = re.compile(rf"^{re.escape(text)}$")
        said = self.page.locator(".body", has_text=body)
        return self.messages.filter(has=said)

    def button(self, name: str) -> Locator:
        """A button, by its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def messages(self) -> Locator:
        """All messages in the room."""
        return self.page.get_by_role("log").get_by_role("article")

    @property
    def writing(self) -> Locator:
        """Where a message is written."""
        return self.page.get_by_label("Your message")

    @property
    def sign(self) -> Locator:
        """Return the element that says whether the page is connected."""
        return self.page.get_by_role("status").and_(
            self.page.locator(".connection")
        )


class People:
    """Seats people at browsers of their own, or beside somebody."""

    def __init__(self, chromium: Browser) -> None:
        self.chromium = chromium
        self.everybody: list[Person] = []

    def __call__(
        self,
        server: Client,
        name: str = "",
        room: str = "hello-world",
        beside: Person | None = None,
        **options: Any,
    ) -> Person:
        """Seat somebody at a new browser, or at a new tab `beside` another.

        Who has a name enters the room and signs in; `options` go to
        Playwright's `new_context`.
        """
        if beside:
            context = beside.page.context
        else:
            context = self.chromium.new_context(**options)
            context.set_default_timeout(SLOW)
        person = Person(context, server)
        self.everybody.append(person)
        if name:
            person.enter(room)
            person.sign_in(name)
        return person

    def leave(self) -> None:
        """Close all browsers, and fail if anything went wrong in one."""
        try:
            for person in self.everybody:
                person.check()
        finally:
            for context in self.chromium.contexts:
                context.close()


@contextmanager
def people(chromium: Browser) -> Iterator[People]:
    """Seat people at a browser while the block lasts."""
    with something_runs(chromium):
        seats = People(chromium)
        try:
            yield seats
        finally:
            seats.leave()
