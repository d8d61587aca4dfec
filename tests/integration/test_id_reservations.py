"""Connection ids are reserved for the browser that used them first."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus

from shared.party import id_reservations as places
from shared.party.paths import OBJECT_PROPERTIES

from ..support.party_server import Echo, TestServer, serve_parties
from ..support.server_process import (
    PATIENCE,
    Client,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)

TAKEN = "Somebody else is here under this id."
SUPERSEDED = 4001, "Your place was taken from another window."
COOKIE = re.compile(
    r"party-chat-browser=([\w-]{43}\.[\w-]{43}); Path=/; HttpOnly; SameSite=Lax"
    "(; Secure)?"
)


@contextmanager
def came(
    server: Client,
    browser: str = "",
    room: str = "1",
    party: str = "echo",
    pk: str = "ada",
) -> Iterator[WebSocketClient]:
    """Join a room from the browser with that cookie."""
    headers = {"Cookie": f"a=b; party-chat-browser={browser}; c=d"}
    with server.join(
        room,
        party,
        pk=pk,
        additional_headers=headers if browser else None,
    ) as guest:
        yield guest


def refusal(server: Client, browser: str = "", **where: str) -> tuple[int, str]:
    """Connect; return the status and the text of the refusal."""
    with (
        pytest.raises(InvalidStatus) as refused,
        came(server, browser, **where),
    ):
        pass
    response = refused.value.response
    return response.status_code, (response.body or b"").decode()


@pytest.fixture
def server() -> Iterator[TestServer]:
    with serve_parties(echo=Echo) as server:
        yield server


@pytest.mark.parametrize("browser", ["", "hers"])
def test_reservation_lets_the_same_browser_supersede(
    server: TestServer, browser: str
) -> None:
    """And a client without a cookie, such as a program or a foreign page."""
    with came(server, browser) as old, came(server, browser) as new:
        assert new.next()["you"] == "ada"
        assert old.closed() == SUPERSEDED


def test_outdated_handshake_supersedes_no_later_one(
    server: TestServer,
) -> None:
    """A copy of the page, which has its id, supersedes it."""

    def attempt(name: str) -> str:
        return f"ada&attempt={name}"

    with came(server, pk=attempt("0.25-2")) as second:
        second.next()
        assert refusal(server, pk=attempt("0.25-1"))[0] == 409
        second.send("still here")
        assert second.next() == {"echo": "still here"}
        with came(server, pk=attempt("0.25-3")) as third:
            assert second.closed() == SUPERSEDED
            third.next()
            with came(server, pk=attempt("0.5-1")) as copy:
                assert third.closed() == SUPERSEDED
                assert copy.next()["you"] == "ada"


@pytest.mark.parametrize(
    ("hers", "his"), [("hers", "his"), ("hers", ""), ("", "his")]
)
def test_reservation_refuses_another_browser(
    server: TestServer, hers: str, his: str
) -> None:
    with came(server, hers) as ada:
        ada.next()
        assert refusal(server, his) == (409, f'{{"error":"{TAKEN}"}}')
        ada.send("still here")
        assert ada.next() == {"echo": "still here"}
        with came(server, his, pk="bob") as bob:
            assert bob.next()["you"] == "bob"
        with came(server, his, room="2") as other:
            assert other.next()["you"] == "ada"


def test_reservation_refuses_one_of_two_at_once(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, coming, opened = (
        WebSocket.accept,
        threading.Event(),
        asyncio.Event(),
    )

    async def slowly(websocket: WebSocket) -> None:
        coming.set()
        await opened.wait()
        await accept(websocket)

    def ada() -> None:
        with came(server, "hers") as guest:
            heard.append(guest.next()["you"])

    heard: list[str] = []
    monkeypatch.setattr(WebSocket, "accept", slowly)
    first = threading.Thread(target=ada)
    first.start()
    assert coming.wait(PATIENCE)
    assert refusal(server, "his")[0] == 409
    server.call(opened.set)
    first.join(PATIENCE)
    assert heard == ["ada"]


def test_reservation_outlives_a_lost_connection(
    server: TestServer,
) -> None:
    """Everybody learns the id of a lost connection, and could be faster."""
    for _ in range(2):
        with came(server, "hers") as old, came(server, "hers"):
            assert old.closed() == SUPERSEDED
            assert refusal(server, "his")[0] == 409
        assert refusal(server, "his")[0] == 409


def test_reservation_is_renewed_by_a_reconnection(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "RESERVATION_SECONDS", 0.05)
    for _ in range(2):
        with came(server, "hers") as old, came(server, "hers") as new:
            assert new.next()["you"] == "ada"
            assert old.closed() == SUPERSEDED
            server.run_in_loop(asyncio.sleep(0.1))  # reservations expired
            assert refusal(server, "his")[0] == 409


def test_reservation_expires(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "RESERVATION_SECONDS", 0)
    with came(server, "hers"):
        pass
    for _ in range(int(PATIENCE * 100)):
        with suppress(InvalidStatus), came(server, "his") as bob:
            assert bob.next()["you"] == "ada"
            return
    pytest.fail("The place is still kept.")


def test_connection_id_is_no_property_of_objects(server: TestServer) -> None:
    """A page that keeps users in an object by id fails at such an id."""
    for id in OBJECT_PROPERTIES:
        assert refusal(server, pk=id)[0] == 400


# The same with the stages, whose pages set the cookie.


def cookie_of(
    running: ServerProcess, path: str = "/", **headers: str
) -> str | None:
    """Return the cookie of a response, if there is one."""
    return running.get(path, **headers).headers.get("set-cookie")


@pytest.mark.stages(5)
def test_browser_id_cookie_comes_with_the_first_page(
    running: ServerProcess,
) -> None:
    cookies = set()
    for path in ("/", "/chats", "/chats/hello-world", "/usage", "/nowhere"):
        cookie = cookie_of(running, path) or ""
        found = COOKIE.fullmatch(cookie)
        assert found, cookie
        assert not found[2]
        cookies.add(found[1])
    assert len(cookies) == 5
    has_one = {"Cookie": f"x=y; party-chat-browser={found[1]}"}
    assert cookie_of(running, **has_one) is None
    # Another server's cookie, of a shorter path on this host, comes too.
    other = f"party-chat-browser={'x' * 43}.{'y' * 43}"
    for both in (
        f"{other}; {has_one['Cookie']}",
        f"{has_one['Cookie']}; {other}",
    ):
        assert cookie_of(running, Cookie=both) is None
    assert cookie_of(running, Cookie="party-chat-browser=") is not None
    stale = found[1].partition(".")[0] + ".made-up"
    signed = cookie_of(running, Cookie=f"party-chat-browser={stale}") or ""
    assert signed.startswith(f"party-chat-browser={found[1]};")
    module = "/shared/ui/pages/mount.js"
    for path in ("/build", "/healthz", module, "/parties/x/y"):
        assert cookie_of(running, path) is None


@pytest.mark.stages(5)
def test_browser_id_cookie_is_secure_over_https(
    stage: Stage,
) -> None:
    with start(stage, PUBLIC_URL="https://party.example:8443") as running:
        for headers, secure in (
            ({"Host": "party.example:8443"}, True),
            ({"Host": "PARTY.example."}, True),
            ({"X-Forwarded-Proto": "https"}, True),
            ({"Host": "party.localhost"}, False),
            ({}, False),
        ):
            cookie = cookie_of(running, **headers) or ""
            assert COOKIE.fullmatch(cookie)
            assert cookie.endswith("; Secure") == secure, headers
    with start(stage, PUBLIC_URL="http://party.example") as running:
        cookie = cookie_of(running, Host="party.example") or ""
        assert COOKIE.fullmatch(cookie)
        assert "Secure" not in cookie
