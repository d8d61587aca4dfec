"""How the room joins in: where the app listens, and which address it tells.

`LAN=1` listens on loopback alone here, or in a network of the test's own.
"""

import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ifaddr
import pytest
import zxingcpp
from ifaddr import IP, Adapter
from PIL import Image

from shared.presenter import invite, lan
from shared.settings import Settings

from ..support.server_process import (
    PATIENCE,
    ROOT,
    ServerProcess,
    Stage,
    environment,
    free_port,
    opener,
    start,
)

LAN = {"LAN": "1", "HOST": "127.0.0.2"}
TUNNEL = "https://party.example.org"
HELLO = re.compile("Others join at (.+)")

CARD = "ip link add {0} type veth peer name {0}x; ip link set {0}x up"
UP = "ip addr add {1}/24 dev {0}; ip link set {0} up"
BRIDGE = "ip link add {0} type bridge"
OUT = "ip route add default dev {0}"


def link(name: str, address: str, kind: str = CARD) -> list[str]:
    """Commands that make a network card with an address."""
    return [each.format(name, address) for each in (kind, UP)]


def opened(url: str) -> str:
    """Fetch an address."""
    with opener.open(url, timeout=PATIENCE) as response:
        return str(response.read().decode())


def addresses(text: str) -> list[str]:
    """The address in the start page's QR code, and the one that it tells."""
    return re.findall(r'alt="QR code: (.+?)"|<a href="(http.+?)"', text)


@pytest.fixture(scope="module", autouse=True)
def second_address() -> None:
    """Some systems have only one address on loopback."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            pytest.skip("This machine has no 127.0.0.2.")


FIND = """
from shared.presenter import lan
lan.INTERFACES = lan.Path(sys.argv[1])
print(json.dumps([lan.lan_address(), *lan.lan_addresses()]))
"""
SERVE = "from tests.integration import test_join; test_join.tell_server()"


def alone(code: str, commands: list[str], *arguments: str) -> Any:
    """Return the JSON that Python code prints in a network of its own."""
    script = "; ".join(["ip link set lo up", *commands, 'exec "$@"'])
    run = [sys.executable, "-c", f"import json, sys\n{code}", *arguments]
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-ec", script, "-", *run],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=3 * PATIENCE,
    )
    if re.match("unshare|RTNETLINK|sh: ", done.stderr):
        pytest.skip(done.stderr)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def tell_server() -> None:
    """Print what the server tells, and what it shows here and there."""
    with start(Stage(1, ROOT / "demo_01"), LAN="1") as running:
        assert running.process.stdout
        said = running.process.stdout.readline()
        pages = [running.get("/").text]
        if found := HELLO.match(said):
            pages.append(opened(found[1]))
        print(json.dumps([said, *(addresses(page) for page in pages)]))


@pytest.mark.parametrize(
    ("commands", "cards", "expected"),
    [
        pytest.param([], [], [], id="none"),
        pytest.param(link("wlan7", "10.1.2.3"), [], [], id="no real card"),
        pytest.param(
            link("wlan7", "10.1.2.3"), ["wlan7"], ["10.1.2.3"], id="no way out"
        ),
        pytest.param(
            [*link("br-7", "172.17.0.1", BRIDGE), *link("wlan7", "172.20.1.2"),
             OUT.format("wlan7")],
            [],
            ["172.20.1.2"],
            id="containers",
        ),
        pytest.param(
            [*link("vpn7", "10.8.0.2"), *link("wlan7", "192.168.7.7"),
             OUT.format("vpn7")],
            ["wlan7"],
            ["192.168.7.7", "10.8.0.2"],
            id="vpn",
        ),
        pytest.param(
            [*link("eth7", "10.1.2.3"), *link("wlan7", "192.168.7.7"),
             *link("usb7", "172.20.10.2"), OUT.format("usb7")],
            ["eth7", "wlan7", "usb7"],
            ["172.20.10.2", "192.168.7.7", "10.1.2.3"],
            id="three cards",
        ),
    ],
)  # fmt: skip
def test_lan_addresses_are_ranked(
    commands: list[str], cards: list[str], expected: list[str], tmp_path: Path
) -> None:
    for card in cards:
        (tmp_path / card / "device").mkdir(parents=True)
    best = expected[0] if expected else None
    assert alone(FIND, commands, str(tmp_path)) == [best, *expected]


@pytest.mark.parametrize("error", [OSError, None])
def test_lan_addresses_on_other_systems(
    error: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adapters() -> list[Adapter]:
        if error:
            raise error
        found = ["127.0.0.1", "10.0.0.7", "192.168.7.7", ("fe80::7", 0, 2)]
        return [Adapter("en0", "en0", [IP(ip, 24, "en0") for ip in found])]

    monkeypatch.setattr(lan.sys, "platform", "darwin")
    monkeypatch.setattr(lan, "default_route_ip", lambda: "")
    monkeypatch.setattr(ifaddr, "get_adapters", adapters)
    expected = [] if error else ["192.168.7.7", "10.0.0.7"]
    assert lan.lan_addresses() == expected


def test_invitation_leads_to_the_page() -> None:
    network = [*link("wlan7", "10.1.2.3"), OUT.format("wlan7")]
    said, here, there = alone(SERVE, network)
    assert re.match(r"Others join at http://10.1.2.3:\d+/$", said)
    address = said.split()[-1]
    assert here == there == [[address, ""], ["", address]]


def test_invitation_banner_without_a_network() -> None:
    said, page = alone(SERVE, [])
    assert said.startswith("LAN=1 finds no network")
    assert "HOST" in said
    assert "PUBLIC_URL" in said
    assert page == []


def test_settings_listen_for_guests_only_with_lan() -> None:
    def listens(**settings: Any) -> str:
        return Settings(_env_file=None, **settings).bind_host

    assert listens(host="127.0.0.1") == "127.0.0.1"
    assert listens(lan=False, host="0.0.0.0") == "0.0.0.0"
    assert listens(lan=True) == "0.0.0.0"
    assert listens(lan=True, host="my-laptop") == "0.0.0.0"
    assert listens(lan=True, host="192.168.7.7") == "192.168.7.7"
    assert listens(lan=True, host="::") == "::"


@pytest.mark.stages(1)
def test_server_refuses_guests_without_lan(running: ServerProcess) -> None:
    for host in ("127.0.0.2", *lan.lan_addresses()):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, running.port), PATIENCE)
    assert addresses(running.get("/").text) == []
    assert running.get("/invitation").status == 404
    assert "show-invitation" not in running.get("/").text


def test_join_urls_follow_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(**values: Any) -> list[str]:
        choice = Settings(_env_file=None, **values)
        monkeypatch.setattr(invite, "settings", lambda: choice)
        return invite.join_urls(2000)

    monkeypatch.setattr(
        invite, "lan_addresses", lambda: ["10.0.0.7", "10.8.0.2"]
    )
    room = ["http://10.0.0.7:2000/", "http://10.8.0.2:2000/"]
    assert told() == told(host="0.0.0.0") == []
    assert told(lan=True) == told(lan=True, host="::") == room
    assert told(lan=True, host="10.0.0.9") == ["http://10.0.0.9:2000/"]
    assert told(lan=True, host="::1") == ["http://[::1]:2000/"]
    assert told(public_url=TUNNEL) == [f"{TUNNEL}/"]
    assert told(lan=True, public_url=f"{TUNNEL}/") == [f"{TUNNEL}/"]


@pytest.mark.stages(1, 1)
def test_invitation_has_the_public_url(stage: Stage) -> None:
    with start(stage, PUBLIC_URL=TUNNEL, **LAN) as running:
        assert running.process.stdout
        said = running.process.stdout.readline()
        assert said == f"Others join at {TUNNEL}/\n"
        url = f"http://127.0.0.2:{running.port}/"
        expected = [(f"{TUNNEL}/", ""), ("", f"{TUNNEL}/")]
        assert addresses(opened(url)) == expected
        assert addresses(opened(url + "chats")) == []
        invitation = json.loads(opened(url + "invitation"))
        assert invitation["address"] == f"{TUNNEL}/"
        assert invitation["qr_code"].startswith("data:image/svg+xml")
        assert 'id="show-invitation"' in opened(url + "chats")


CODE = re.compile(r"\x1b\[38;5;231;48;5;16m([█▀▄ ]+)\x1b\[0m")
"""A line of the code: white on black, whatever the terminal's colours are."""

LIGHT = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}


def printed(*command: str, **settings: str) -> Generator[str, None, None]:
    """Yield the lines that Python prints to a terminal."""
    screen, terminal = pty.openpty()
    size = struct.pack("4H", 40, 80, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(
            {"PORT": str(free_port()), "TERM": "xterm", **settings}
        ),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    try:
        with os.fdopen(screen, encoding="utf-8") as lines:
            for line in lines:
                yield line.rstrip("\r\n")
    finally:
        server.terminate()
        server.wait(PATIENCE)


def photographed(lines: list[str]) -> list[str]:
    """Read the QR code in these lines of a terminal."""
    rows = [
        [LIGHT[each][half] for each in line]
        for line in lines
        for half in (0, 1)
    ]
    bitmap = Image.new("L", (len(rows[0]), len(rows)))
    bitmap.putdata([each for row in rows for each in row])
    picture = bitmap.resize((8 * bitmap.width, 8 * bitmap.height), 0)
    return [found.text for found in zxingcpp.read_barcodes(picture)]


def read_banner(lines: Iterator[str]) -> tuple[str, list[str], str]:
    """The address that is told, the lines of the code, and the next one."""
    found = HELLO.match(next(lines))
    assert found
    code = []
    while read := CODE.fullmatch(line := next(lines)):
        code.append(read[1])
    return found[1], code, line


def test_terminal_qr_code_leads_to_the_page() -> None:
    with closing(printed("-m", "shared.serve", "demo_01", **LAN)) as lines:
        assert "runs at" in next(lines)
        address, code, _ = read_banner(lines)
        assert address.startswith("http://127.0.0.2:")
        assert photographed(code) == [address]
        assert "<h1>Party Chat</h1>" in opened(address)


BANNER = """
from shared.presenter import invite
print(*invite.invitation_banner(2000), "That was all.", sep="\\n")
"""


@pytest.mark.parametrize(
    ("terminal", "shown"),
    [
        ({"COLUMNS": "33"}, True),
        ({"COLUMNS": "32"}, False),
        ({"TERM": "dumb"}, False),
        ({"PYTHONIOENCODING": "ascii"}, False),
        ({invite.QR_SHOWN_ENV: "1"}, False),
    ],
    ids=str,
)
def test_terminal_qr_code_needs_a_capable_terminal(
    terminal: dict[str, str], shown: bool
) -> None:
    with closing(printed("-c", BANNER, **LAN, **terminal)) as lines:
        address, code, line = read_banner(lines)
        assert address == "http://127.0.0.2:2000/"
        assert line == "That was all."
        assert bool(code) is shown
