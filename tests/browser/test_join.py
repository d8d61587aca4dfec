"""The room joins by camera, over the LAN."""

from collections.abc import Callable
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from ..integration.test_join import LAN
from ..support.browser import People
from ..support.server_process import Client, ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

SIZES = [(1280, 800), (390, 844)]


class Address(Client):
    """The app as somebody opens it, where it listens or elsewhere."""

    def __init__(self, url: str) -> None:
        self.address = url.rstrip("/")

    @property
    def url(self) -> str:
        return self.address


def read_codes(page: Page) -> list[str]:
    """Read the QR code on the screen."""
    expect(page.locator(".lead")).to_be_visible()
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
    bob = person(Address(address))
    bob.go("/")
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Party Chat")
    assert read_codes(bob.page) == [address]


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
