"""The requests of a browser that opens a page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Request, expect

from ..integration.test_assets import FILE
from ..support.browser import People, Person
from ..support.server_process import ServerProcess

pytestmark = pytest.mark.stages(5)

PAGES = [
    "/",
    "/chats",
    "/chats/room-4",
    "/usage",
    "/whats-new",
    "/presenter#a-key-of-16-letters",
]

FETCHED = """
() => performance.getEntriesByType("resource")
  .filter(({ transferSize }) => transferSize)
  .map(({ name }) => new URL(name).pathname)
  .filter((path) => path !== "/build")
"""
"""Responses that came over the network, not from the browser's cache."""


class Asked(Person):
    """Somebody whose browser's requests for files are counted."""

    def __init__(self, person: Person) -> None:
        self.__dict__ = person.__dict__
        self.files: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", lambda it: self.problems.append(it.text))

    def _asked(self, request: Request) -> None:
        if request.resource_type in ("script", "stylesheet"):
            self.files.append(request.url.removeprefix(self.server.url))

    def opens(self, path: str) -> None:
        """Go to a page, and wait until it is drawn."""
        self.files.clear()
        self.go(path)
        expect(self.button("Sign in")).to_be_visible()


def test_page_requests_each_asset_once(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve(PRESENTER_KEY="a-key-of-16-letters")
    ada = Asked(person(running))
    for path in PAGES:
        ada.opens(path)
        named = {
            url
            for url in FILE.findall(running.get(path).text)
            if not url.endswith(".svg")
        }
        assert sorted(ada.files) == sorted(named)


def test_assets_are_cached(running: ServerProcess, person: People) -> None:
    ada = Asked(person(running))
    ada.opens("/chats/room-4")
    assert len(ada.page.evaluate(FETCHED)) > 30
    for path in ("/chats/hello-world", "/chats/room-4"):
        ada.opens(path)
        assert ada.page.evaluate(FETCHED) == []
    ada.page.reload()
    expect(ada.button("Sign in")).to_be_visible()
    assert ada.page.evaluate(FETCHED) == []
