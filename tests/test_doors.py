"""Who may come in: Origin, Host, and the settings that add to them."""

import re
from collections.abc import Iterator

import pytest

from shared.doors import Doors

from .party_server import Echo, House, open_house
from .running import Door, Running, Stage, start

SETTINGS = {
    "PUBLIC_URL": "https://Chat.example:8443/",
    "ALLOWED_HOSTS": "party.local, other.local:2000",
    "ALLOWED_ORIGINS": "https://slides.example",
}

# Host, Origin, and what becomes of a socket.
OPEN = [
    ("localhost:1999", None, 101),
    ("LOCALHOST", None, 101),
    ("chat.localhost:1999", None, 101),
    ("127.0.0.1:1999", "http://127.0.0.1:1999", 101),
    ("127.0.0.1:1999", "HTTP://127.0.0.1:1999", 101),
    ("192.168.178.20:1999", "http://192.168.178.20:1999", 101),
    ("[::1]:1999", "http://[::1]:1999", 101),
    ("[fd00::7]:1999", "http://[fd00::7]:1999", 101),
    ("localhost", "http://localhost", 101),
]
FOREIGN = [
    ("127.0.0.1:1999", "https://evil.example", 403),
    ("127.0.0.1:1999", "http://127.0.0.1:2000", 403),
    ("127.0.0.1:1999", "http://127.0.0.1", 403),
    ("127.0.0.1:1999", "http://localhost:1999", 403),
    ("127.0.0.1:1999", "http://127.0.0.1:1999.evil.example", 403),
    ("127.0.0.1:1999", "http://evil.example/127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "http://127.0.0.1:1999@evil.example", 403),
    ("127.0.0.1:1999", "null", 403),
    ("127.0.0.1:1999", "", 403),
    ("127.0.0.1:1999", "127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "http://[", 403),
    ("[::1]:1999", "http://[::2]:1999", 403),
]
STRANGE = [
    # The page of a name that was pointed at this machine: DNS rebinding.
    ("evil.example:1999", "http://evil.example:1999", 400),
    ("evil.example", None, 400),
    ("localhost.evil.example", None, 400),
    ("127.0.0.1.evil.example", None, 400),
    ("evil-localhost", None, 400),
    ("localhost/; script-src *", None, 400),
    ("localhost@evil.example", None, 400),
    ("evil@localhost", None, 400),
    ("localhost#", None, 400),
    ("[::1", None, 400),
    ("[::1].evil.example", None, 400),
    ("::1", None, 400),
    ("2130706433", None, 400),
    ("0x7f.1", None, 400),
    ("", None, 400),
]
# These only with SETTINGS.
LISTED = [
    ("chat.example:8443", "https://chat.example:8443", 101),
    ("chat.example", None, 101),
    ("127.0.0.1:1999", "https://chat.example:8443", 101),
    ("127.0.0.1:1999", "https://slides.example", 101),
    ("127.0.0.1:1999", "https://SLIDES.example", 101),
    ("Party.Local:1999", "http://party.local:1999", 101),
    ("other.local", None, 101),
]
ALMOST_LISTED = [
    ("127.0.0.1:1999", "https://chat.example", 403),
    ("127.0.0.1:1999", "http://chat.example:8443", 403),
    ("127.0.0.1:1999", "https://slides.example.evil.example", 403),
    ("127.0.0.1:1999", "http://party.local", 403),
    ("slides.example", None, 400),
]


def knock(door: Door, path: str, host: str, origin: str | None) -> int:
    """Ask for a socket under that Host, from that Origin: the status."""
    said = "" if origin is None else f"Origin: {origin}\r\n"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{said}"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return status_of(door.raw(request.encode()))


def status_of(response: bytes) -> int:
    """The status in the first line of a response."""
    found = re.match(rb"HTTP/1.1 (\d{3}) ", response)
    assert found
    return int(found[1])


@pytest.fixture(scope="module")
def plain() -> Iterator[House]:
    """A room whose doors nobody set anything about."""
    with open_house(echo=Echo) as house:
        yield house


@pytest.fixture(scope="module")
def listed() -> Iterator[House]:
    """A room whose doors know SETTINGS."""
    hosts = SETTINGS["ALLOWED_HOSTS"].split(", ")
    origins = [SETTINGS["ALLOWED_ORIGINS"]]
    doors = Doors(hosts, origins, SETTINGS["PUBLIC_URL"])
    with open_house(doors, echo=Echo) as house:
        yield house


@pytest.mark.parametrize(("host", "origin", "status"), OPEN + FOREIGN + STRANGE)
def test_only_pages_of_the_same_host_may_open_a_socket(
    plain: House, listed: House, host: str, origin: str | None, status: int
) -> None:
    """Seen to catch: `null` for no host; a Host that says more than a name.

    And: an error instead of a refusal for an Origin that is no URL.
    """
    assert knock(plain, "/parties/echo/1", host, origin) == status
    assert knock(listed, "/parties/echo/1", host, origin) == status


@pytest.mark.parametrize(("host", "origin", "status"), LISTED + ALMOST_LISTED)
def test_what_is_listed_may_come_in_as_well(
    plain: House, listed: House, host: str, origin: str | None, status: int
) -> None:
    """Seen to catch: comparing hosts with their ports, or as written."""
    assert knock(plain, "/parties/echo/1", host, origin) in (400, 403)
    assert knock(listed, "/parties/echo/1", host, origin) == status


# The same of the stages: that their doors are these, and know the settings.


@pytest.fixture(scope="module")
def usual(stage: Stage) -> Iterator[Running]:
    with start(stage) as running:
        yield running


@pytest.fixture(scope="module")
def public(stage: Stage) -> Iterator[Running]:
    with start(stage, **SETTINGS) as running:
        yield running


def page_status(running: Running, host: str) -> int:
    """Ask for a page under that Host: the status."""
    request = f"GET /chats HTTP/1.1\r\nHost: {host}\r\n\r\n"
    return status_of(running.raw(request.encode()))


@pytest.mark.stages(1)
def test_pages_are_for_who_asked_for_this_host(
    usual: Running, public: Running
) -> None:
    for running in (usual, public):
        for host, _, _ in OPEN:
            assert page_status(running, host) == 200
        for host, _, _ in STRANGE:
            assert page_status(running, host) == 400
    for host in ("chat.example:8443", "party.local", "other.local:1999"):
        assert page_status(usual, host) == 400
        assert page_status(public, host) == 200


@pytest.mark.stages(1)
def test_a_stranger_is_told_which_setting_it_takes(usual: Running) -> None:
    answer = usual.get("/", Host="tunnel.example")
    assert answer.status == 400
    assert "ALLOWED_HOSTS or PUBLIC_URL" in answer.text


@pytest.mark.stages(2)
def test_a_stages_rooms_have_these_doors(
    usual: Running, public: Running
) -> None:
    """Seen to catch: an `Edge` that checks no Origin."""
    path = "/parties/chatroom/hello-world"
    for running in (usual, public):
        for host, origin, status in (OPEN[3], FOREIGN[0], STRANGE[0]):
            assert knock(running, path, host, origin) == status
    for host, origin, status in LISTED:
        assert knock(usual, path, host, origin) != status
        assert knock(public, path, host, origin) == status


@pytest.mark.stages(2)
def test_a_refused_page_is_told_why_and_nobody_notices(usual: Running) -> None:
    with usual.join() as ada:
        ada.wait_for("history")
        refused = usual.raw(
            b"GET /parties/chatroom/hello-world HTTP/1.1\r\n"
            b"Host: 127.0.0.1\r\nOrigin: https://evil.example\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert refused.startswith(b"HTTP/1.1 403 ")
        assert b"Pages of this origin may not connect." in refused
        ada.say("hello")
        assert ada.next()["type"] == "ack"
    assert "ERROR" not in usual.errors()
