"""The room joins by camera: over the LAN, or by way of a tunnel."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from ..integration.test_join import LAN
from ..support.browser import People
from ..support.server_process import Client, ServerProcess, free_port
from ..support.tcp_proxy import TCPProxy, run_proxy

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

SIZES = [(1280, 800), (390, 844)]

CERTIFY = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1
-subj /CN=party.example -keyout key.pem -out certificate.pem
"""


class Address(Client):
    """The app as somebody opens it, where it listens or elsewhere."""

    def __init__(self, url: str) -> None:
        self.address = url.rstrip("/")

    @property
    def url(self) -> str:
        return self.address


class Tunnel(TCPProxy):
    """A proxy that ends HTTPS, as the one of a tunnel does."""

    host: bytes | None = None
    """The Host for the server, if not the browser's."""

    @property
    def url(self) -> str:
        return f"https://party.example:{self.port}"

    async def carry(
        self, near: asyncio.StreamReader, far: asyncio.StreamWriter
    ) -> None:
        """Carry one direction, with another Host in what goes up."""
        if self.host and self.ends[far] == "up":
            head = await near.readuntil(b"\r\n\r\n")
            own = self.url.removeprefix("https://").encode()
            head = head.replace(b"Host: " + own, b"Host: " + self.host)
            # One request a connection, so that each of them comes by here.
            if b"Upgrade: " not in head:
                head = head.replace(b"keep-alive", b"close")
            far.write(head)
        await super().carry(near, far)


def read_codes(page: Page) -> list[str]:
    """Read the QR code on the screen."""
    expect(page.locator(".lead")).to_be_visible()
    picture = Image.open(BytesIO(page.screenshot()))
    return [found.text for found in zxingcpp.read_barcodes(picture)]


def certify(folder: Path) -> None:
    """Make a certificate of party.example's own, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("There is no openssl on this machine.")
    subprocess.run(CERTIFY.split(), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tls(tmp_path: Path) -> SSLContext:
    """A certificate of party.example's own."""
    certify(tmp_path)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return context


@pytest.fixture
def tunnel(tls: SSLContext) -> Iterator[Tunnel]:
    """A tunnel to where nobody listens yet."""
    far = Client()
    far.port = free_port()
    tunnel = Tunnel(far)
    tunnel.tls = tls
    with run_proxy(tunnel):
        yield tunnel


@pytest.mark.stages(5)
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


@pytest.mark.stages(5)
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


@pytest.mark.stages(5)
@pytest.mark.parametrize("host", ["the tunnel's", "the server's"])
def test_pages_work_through_an_https_tunnel(
    host: str,
    tunnel: Tunnel,
    serve: Callable[..., ServerProcess],
    person: People,
) -> None:
    port = str(tunnel.server.port)
    running = serve(PORT=port, PUBLIC_URL=tunnel.url)
    if host == "the server's":
        tunnel.host = f"127.0.0.1:{port}".encode()
    bob = person(running)
    bob.go("/")
    assert read_codes(bob.page) == [f"{tunnel.url}/"]
    bob.enter()
    ada = person(tunnel, "Ada", ignore_https_errors=True)
    # The tunnel ends connections that Chromium is about to use once more.
    ada.expect_error("Failed to load resource: net::ERR_TOO_MANY_RETRIES")
    ada.say("from a phone")
    bob.sees("from a phone")
    assert {each.split("/parties")[0] for each in ada.sockets} == {
        f"wss://party.example:{tunnel.port}"
    }
    policy = running.get("/").headers["content-security-policy"]
    assert f" wss://party.example:{tunnel.port} " in policy
