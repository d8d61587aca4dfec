"""The room joins by camera, over the LAN."""

from collections.abc import Callable
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from ..integration.test_join import LAN
from ..support.browser import People, box_of
from ..support.server_process import Client, ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

SIZES = [(1280, 800), (640, 700), (640, 600), (390, 844)]
HALF_WINDOWS = [(640, 700), (640, 600)]
"""Half of a projector, as it is and with a browser's bars."""


class Address(Client):
    """The app as somebody opens it, where it listens or elsewhere."""

    def __init__(self, url: str) -> None:
        self.address = url.rstrip("/")

    @property
    def url(self) -> str:
        return self.address


def read_codes(page: Page) -> list[str]:
    """Read the QR code on the screen."""
    expect(page.locator("#account button").first).to_be_visible()
    picture = Image.open(BytesIO(page.screenshot()))
    return [found.text for found in zxingcpp.read_barcodes(picture)]


def test_qr_code_leads_to_the_page(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve(**LAN)
    expected = f"http://127.0.0.2:{running.port}/"
    for width, height in SIZES:
        for scheme in ("light", "dark"):
            size = {"width": width, "height": height}
            ada = person(Address(expected), viewport=size, color_scheme=scheme)
            ada.go("/")
            (address,) = read_codes(ada.page)
            assert address == expected
            expect(ada.page.get_by_role("img", name=address)).to_be_visible()
            expect(ada.page.get_by_role("link", name=address)).to_be_visible()
            code = box_of(ada.page.locator(".join img"))
            card = box_of(ada.page.locator(".join"))
            footer = box_of(ada.page.get_by_role("contentinfo"))
            assert min(code["width"], code["height"]) > 0.35 * height
            assert card["y"] + card["height"] <= footer["y"] <= height
    bob = person(Address(address))
    bob.go("/")
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Party Chat")
    assert read_codes(bob.page) == [address]


@pytest.mark.parametrize("size", HALF_WINDOWS)
def test_qr_code_fills_the_window_at_a_key(
    serve: Callable[..., ServerProcess], person: People, size: tuple[int, int]
) -> None:
    running = serve(**LAN)
    width, height = size
    expected = f"http://127.0.0.2:{running.port}/"
    viewport = {"width": width, "height": height}
    room = Address(expected)
    ada = person(room, "Ada", viewport=viewport, color_scheme="dark")
    ada.is_told("Connected")
    ada.writing.press("q")
    expect(ada.writing).to_have_value("q")
    dialog = ada.page.get_by_role("dialog", name="Join in")
    ada.page.get_by_role("log").focus()
    ada.page.keyboard.press("q")
    expect(dialog).to_be_visible()
    picture = Image.open(BytesIO(ada.page.screenshot()))
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == expected
    code = box_of(dialog.get_by_role("img", name=expected))
    assert code["height"] > 0.7 * height
    address = dialog.get_by_text(expected, exact=True)
    font = address.evaluate("(it) => parseFloat(getComputedStyle(it).fontSize)")
    assert font >= 28
    box = box_of(address)
    assert box["y"] + box["height"] <= height
    assert address.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    ada.can_read()
    ada.page.keyboard.press("q")
    expect(dialog).to_be_hidden()
    expect(ada.page.get_by_role("log")).to_be_focused()
    ada.button("QR code (key q)").click()
    expect(dialog).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_qr_code_is_in_every_page_that_guests_can_open(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve(**LAN)
    ada = person(Address(f"http://127.0.0.2:{running.port}"))
    for path in ("/", "/chats", "/usage", "/whats-new", "/nowhere"):
        ada.go(path, 404 if path == "/nowhere" else 200)
        expect(ada.button("Sign in")).to_be_visible()
        ada.page.keyboard.press("q")
        expect(ada.page.get_by_role("dialog", name="Join in")).to_be_visible()


def test_qr_code_is_missing_without_guests(
    running: ServerProcess, person: People
) -> None:
    ada = person(running)
    ada.go("/chats")
    expect(ada.button("Sign in")).to_be_visible()
    ada.page.keyboard.press("q")
    expect(ada.button("QR code (key q)")).to_have_count(0)
    expect(ada.page.get_by_role("dialog")).to_have_count(0)


def test_pages_work_at_a_plain_lan_address(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    running = serve(**LAN)
    room = Address(f"http://192.0.2.10:{running.port}")
    ada = person(room, "Ada")
    bob = person(room, "Bob")
    assert ada.page.evaluate("isSecureContext") is False
    ada.say("from a phone")
    bob.sees("from a phone")
    bob.page.mouse.move(300, 300)
    links = ada.page.locator("header a, footer a").all()
    paths = [str(link.get_attribute("href")) for link in links]
    assert {"/", "/chats", "/usage"} <= {*paths}
    for path in (*paths, "/chats/hello-world?wire"):
        ada.go(path)
        expect(ada.page.get_by_role("heading", level=1)).to_be_visible()
        expect(ada.button("Log out")).to_be_visible()
