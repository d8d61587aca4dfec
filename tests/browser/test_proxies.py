"""The app behind real reverse proxies: nginx and HAProxy."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_connection
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from ..support.browser import People, Person
from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    free_port,
    skip_or_fail,
)
from .test_join import Address, read_codes

pytestmark = [pytest.mark.soak, pytest.mark.stages(5)]

CERTIFY = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1
-subj /CN=party.example -keyout key.pem -out certificate.pem
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  proxy_max_temp_file_size 0;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/both.pem;
    ssl_certificate_key {folder}/both.pem;
    location {path}/ {{
      proxy_pass http://127.0.0.1:{server}{kept};
      {headers}
    }}
  }}
}}
"""
UPGRADE = """
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $http_connection;
"""
HOST = "proxy_set_header Host $http_host;\n"

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
frontend tls
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem
  {rules}
  use_backend party if {{ path /app }} || {{ path_beg /app/ }}
backend party
  {strip}
  server party 127.0.0.1:{server}
"""
STRIP = r"http-request replace-path /app/?(.*) /\1"
DROP = "http-request del-header Upgrade"
DENY = "http-request deny if { hdr(Upgrade) -m found }"

PROXIES = {
    "nginx": ("nginx", NGINX, {"kept": "/", "headers": UPGRADE}),
    "nginx, its Host": (
        "nginx",
        NGINX,
        {"kept": "/", "headers": UPGRADE + HOST},
    ),
    "nginx, unstripped": ("nginx", NGINX, {"kept": "", "headers": UPGRADE}),
    "nginx, at the root": (
        "nginx",
        NGINX,
        {"path": "", "kept": "/", "headers": UPGRADE},
    ),
    "haproxy": ("haproxy", HAPROXY, {"rules": "", "strip": STRIP}),
    "haproxy, unstripped": ("haproxy", HAPROXY, {"rules": "", "strip": ""}),
}
BLOCKING = {
    "nginx": (("nginx", NGINX, {"kept": "/", "headers": ""}), 1),
    "haproxy": (("haproxy", HAPROXY, {"rules": DROP, "strip": STRIP}), 1),
    "a firewall": (("haproxy", HAPROXY, {"rules": DENY, "strip": STRIP}), 0),
}
"""Proxies that drop the Upgrade header, as nginx does by default, or refuse it.

And how many lines the log has about it then.
"""


class Proxy(Address):
    """A reverse proxy with TLS, and the app's address behind it."""

    reload: Callable[[dict[str, str]], None]
    """Have nginx take another configuration."""

    def __init__(self, port: int, server: int, path: str) -> None:
        self.port, self.server, self.path = port, server, path
        super().__init__(f"https://party.example:{port}{path}/")

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an app that runs behind it."""
        return {"PORT": str(self.server), "PUBLIC_URL": f"{self.url}/"}


@contextmanager
def proxy_of(
    folder: Path, program: str, configuration: str, values: dict[str, str]
) -> Iterator[Proxy]:
    """Run a reverse proxy for as long as the block lasts."""
    if not shutil.which(program):
        skip_or_fail(f"There is no {program} on this machine.")
    if not shutil.which("openssl"):
        skip_or_fail("There is no openssl on this machine.")
    subprocess.run(CERTIFY.split(), cwd=folder, check=True, capture_output=True)
    pems = [folder / "certificate.pem", folder / "key.pem"]
    (folder / "both.pem").write_bytes(b"".join(p.read_bytes() for p in pems))
    path = values.get("path", "/app")
    proxy = Proxy(free_port(), free_port(), path)
    file = folder / f"{program}.conf"
    places = {
        "folder": folder,
        "port": proxy.port,
        "server": proxy.server,
        "path": path,
    }

    def write(values: dict[str, str]) -> None:
        file.write_text(configuration.format(**places | values), "utf-8")

    def reload(values: dict[str, str]) -> None:
        write(values)
        process.send_signal(signal.SIGHUP)

    write(values)
    proxy.reload = reload
    flags = {"nginx": ["-p", str(folder), "-c"], "haproxy": ["-db", "-f"]}
    with subprocess.Popen([program, *flags[program], str(file)]) as process:
        try:
            wait_for_port(proxy.port, process)
            yield proxy
        finally:
            process.terminate()


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """Start a reverse proxy: `behind(*PROXIES["nginx"])`."""
    with ExitStack() as stack:
        yield lambda *kind: stack.enter_context(proxy_of(tmp_path, *kind))


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process listens on a port."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} does not listen.")


def visit(person: Person, path: str) -> list[str]:
    """Go through all pages by their links; returns what was requested."""
    asked: list[str] = []
    page = person.page
    page.on("request", lambda request: asked.append(request.url))
    person.go("/")
    page.get_by_role("link", name="Find a room").click()
    page.get_by_role("link", name="Hello, World!").click()
    expect(page.get_by_role("log")).to_be_visible()
    for name in ("Usage", "All Chats", "What’s new", "Party Chat"):
        page.get_by_role("link", name=name).first.click()
        expect(page.locator("[aria-current=page]").first).to_have_text(name)
    person.go("/nowhere/at/all", 404)
    page.get_by_role("link", name="See all chats").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("All Chats")
    person.go("/chats/?wire")
    assert page.url == urljoin(person.server.url, f"{path}/chats?wire")
    expect(page.get_by_role("region", name="Wire")).to_be_visible()
    return asked


@pytest.mark.parametrize("kind", PROXIES)
def test_pages_work_behind_a_proxy(
    kind: str,
    behind: Callable[..., Proxy],
    serve: Callable[..., ServerProcess],
    person: People,
) -> None:
    proxy = behind(*PROXIES[kind])
    key = "a-key-of-the-presenter"
    fast = "0" if "unstripped" in kind else "1"
    running = serve(**proxy.settings, PRESENTER_KEY=key, FAST_TRANSPORT=fast)
    ada = person(proxy, "Ada", ignore_https_errors=True)
    bob = person(running, "Bob")  # at the app's own address
    ada.say("from afar")
    bob.sees("from afar")
    bob.say("from the desk")
    ada.sees("from the desk")
    assert {each.split("?")[0] for each in ada.sockets} == {
        f"wss{proxy.url[5:]}/parties/{party}/hello-world"
        for party in ("chatroom", "presence")
    }
    (cookie,) = ada.page.context.cookies()
    assert cookie["path"] == f"{proxy.path}/"
    asked = visit(ada, proxy.path)
    wrong = [url for url in asked if not url.startswith(f"{proxy.url}/")]
    assert not [url for url in wrong if not url.startswith("data:")]
    ada.go("/")
    assert read_codes(ada.page) == [f"{proxy.url}/"]
    ada.go(f"/presenter#{key}")
    ada.button("Nobody").click()
    expect(ada.button("Nobody")).to_have_attribute("aria-pressed", "true")
    visit(bob, proxy.path)


def test_sockets_connect_to_the_party_host(
    behind: Callable[..., Proxy],
    serve: Callable[..., ServerProcess],
    person: People,
) -> None:
    proxy = behind(*PROXIES["haproxy"])
    running = serve(
        PORT=str(proxy.server),
        PARTY_HOST=proxy.url,
        ALLOWED_HOSTS="party.example",
        ALLOWED_ORIGINS=f"http://127.0.0.1:{proxy.server}",
    )
    ada = person(running, "Ada", ignore_https_errors=True)
    ada.is_told("Connected")


@pytest.mark.parametrize("kind", BLOCKING)
@pytest.mark.parametrize("fast", ["1", "0"])
def test_proxy_that_drops_the_upgrade_is_reported(
    fast: str,
    kind: str,
    behind: Callable[..., Proxy],
    serve: Callable[..., ServerProcess],
    person: People,
) -> None:
    configuration, lines = BLOCKING[kind]
    proxy = behind(*configuration)
    running = serve(**proxy.settings, FAST_TRANSPORT=fast)
    people = [person(proxy, ignore_https_errors=True) for _ in range(2)]
    for each, path in zip(
        people, ("/chats/hello-world", "/usage"), strict=True
    ):
        each.expect_error("WebSocket connection to .* failed")
        each.go(path)
    for each in people:
        alert = each.page.get_by_role("alert")
        expect(alert).to_contain_text("Upgrade header")
    said = running.errors().splitlines()
    assert ["Upgrade header" in line for line in said] == [True] * lines
    if kind == "nginx":
        proxy.reload({"kept": "/", "headers": UPGRADE})
        people[0].is_told("Connected")
        for each in people:
            expect(each.page.get_by_role("alert")).to_have_count(0)
