"""Origin and Host, and the settings that allow more of them."""

import re
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from shared.web.origin_policy import (
    FORBIDDEN_ORIGIN,
    INVALID_HOST,
    HostOriginMiddleware,
    OriginPolicy,
)
from shared.web.security_headers import without_origin

from ..support.party_server import Echo, TestServer, serve_parties
from ..support.server_process import Client, ServerProcess, Stage, start
from .test_serve import fails_to_start

SETTINGS = {
    "PUBLIC_URL": "https://Chat.example:8443/app",
    "ALLOWED_HOSTS": "party.local, other.local:2000, *.app.github.dev",
    "ALLOWED_ORIGINS": "https://slides.example, https://*.app.github.dev, "
    "http://*.dev.example:8080",
    "PRESENTER_KEY": "a-key-of-16-letters",
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
    ("localhost.:1999", "http://localhost.:1999", 101),
    ("chat.room.localhost", "https://chat.room.localhost", 101),
    # A proxy may say the usual port, or leave it; and take https off.
    ("localhost:443", "https://localhost", 101),
    ("localhost", "https://localhost:443", 101),
    ("localhost:80", "http://localhost", 101),
    ("localhost:1999", "https://localhost:1999", 101),
    # One address of IPv6 may be written in several ways.
    ("[0:0:0:0:0:0:0:1]:1999", "http://[::1]:1999", 101),
    ("[FD00::7]:1999", "http://[fd00::7]:1999", 101),
    ("[::ffff:127.0.0.1]:1999", "http://[::ffff:7f00:1]:1999", 101),
    ("[fe80::1]", "http://[fe80::1]", 101),
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
    ("[::1]:1999", "http://[::1]", 403),
    ("127.0.0.1:1999", "http://[::ffff:127.0.0.1]:1999", 403),
    ("localhost:80", "https://localhost", 403),
    ("localhost:443", "http://localhost", 403),
    ("127.0.0.1:1999", "http://ada@127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "http://evil.example#@127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "http://127.0.0.1:1999/", 403),
    ("127.0.0.1:1999", "http:///127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "http:127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "//127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "app://127.0.0.1:1999", 403),
    ("127.0.0.1:1999", "file://", 403),
    ("127.0.0.1:1999", "http://127.0.0.1:1999 http://evil.example", 403),
    ("127.0.0.1:1999", f"http://{'a' * 8_000}", 403),
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
    ("0177.0.0.1", None, 400),
    ("[127.0.0.1]", None, 400),
    # Which network card an address is behind is nobody else's business.
    ("[fe80::1%eth0]:1999", None, 400),
    ("[fe80::1%25eth0]:1999", None, 400),
    ("localhost..", None, 400),
    (".localhost", None, 400),
    ("chat..localhost", None, 400),
    ("*.localhost", None, 400),
    ("'none'.localhost", None, 400),
    ("localhost:1999:1999", None, 400),
    ("localhost:port", None, 400),
    ("localhost:199919", None, 400),
    ("localhost, localhost", None, 400),
    ("evil.example\r\nHost: localhost", None, 400),
    (f"{'a' * 250}.localhost:1999", None, 400),
    (f"{'a' * 8_000}.localhost", None, 400),
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
    ("other.local.:1999", "http://other.local.:1999", 101),
    ("me-1999.app.github.dev", "https://me-1999.app.github.dev", 101),
    ("Me.App.GitHub.dev", "https://me.app.github.dev:443", 101),
    ("a.b.app.github.dev", None, 101),
    ("localhost:1999", "https://me-1999.app.github.dev", 101),
    ("localhost:1999", "http://a.b.dev.example:8080", 101),
]
ALMOST_LISTED = [
    ("127.0.0.1:1999", "https://chat.example", 403),
    ("127.0.0.1:1999", "http://chat.example:8443", 403),
    ("127.0.0.1:1999", "https://slides.example.evil.example", 403),
    ("127.0.0.1:1999", "http://party.local", 403),
    ("slides.example", None, 400),
    ("app.github.dev", None, 400),
    (".app.github.dev", None, 400),
    ("evilapp.github.dev", None, 400),
    ("me.app.github.dev.evil.example", None, 400),
    ("localhost", "https://app.github.dev", 403),
    ("localhost", "https://.app.github.dev", 403),
    ("localhost", "https://evilapp.github.dev", 403),
    ("localhost", "https://me.app.github.dev.evil.example", 403),
    ("localhost", "https://me.app.github.dev@evil.example", 403),
    ("localhost", "http://me.app.github.dev", 403),
    ("localhost", "https://me.app.github.dev:8443", 403),
    ("localhost", "http://a.dev.example", 403),
    ("localhost", "https://a.dev.example:8080", 403),
]
NO_HOSTS = ["*", "*.", "*.*.example", "a*.example", "https://a.example", "a b"]
NO_ORIGINS = ["*", "null", "a.example", "https://", "https://*", "//a.example"]


def knock(server: Client, path: str, host: str, origin: str | None) -> int:
    """Ask for a socket under that Host, from that Origin: the status."""
    said = "" if origin is None else f"Origin: {origin}\r\n"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{said}"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return status_of(server.raw(request.encode()))


def status_of(response: bytes) -> int:
    """The status in the first line of a response."""
    found = re.match(rb"HTTP/1.1 (\d{3}) ", response)
    assert found
    return int(found[1])


@pytest.fixture(scope="module")
def plain() -> Iterator[TestServer]:
    """A room with the default policy."""
    with serve_parties(echo=Echo) as server:
        yield server


@pytest.fixture(scope="module")
def listed() -> Iterator[TestServer]:
    """A room with the policy of SETTINGS."""
    hosts = SETTINGS["ALLOWED_HOSTS"].split(", ")
    origins = SETTINGS["ALLOWED_ORIGINS"].split(", ")
    policy = OriginPolicy(hosts, origins, SETTINGS["PUBLIC_URL"])
    with serve_parties(policy, echo=Echo) as server:
        yield server


@pytest.mark.parametrize(("host", "origin", "status"), OPEN + FOREIGN + STRANGE)
def test_origin_policy_allows_sockets_from_the_same_host_only(
    plain: TestServer,
    listed: TestServer,
    host: str,
    origin: str | None,
    status: int,
) -> None:
    assert knock(plain, "/parties/echo/1", host, origin) == status
    assert knock(listed, "/parties/echo/1", host, origin) == status


@pytest.mark.parametrize(("host", "origin", "status"), LISTED + ALMOST_LISTED)
def test_origin_policy_allows_listed_hosts_and_origins(
    plain: TestServer,
    listed: TestServer,
    host: str,
    origin: str | None,
    status: int,
) -> None:
    assert knock(plain, "/parties/echo/1", host, origin) in (400, 403)
    assert knock(listed, "/parties/echo/1", host, origin) == status


def test_origin_policy_refuses_repeated_headers() -> None:
    """Some servers refuse them already."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("This is not asked for anything.")

    def refusal(*headers: tuple[bytes, bytes]) -> object:
        scope = {"type": "websocket", "headers": [*headers]}
        return HostOriginMiddleware(app, OriginPolicy()).refusal(scope)

    host, origin = (b"host", b"localhost"), (b"origin", b"http://localhost")
    assert refusal(host) is refusal(host, origin) is None
    assert refusal() is refusal(host, host) is INVALID_HOST
    assert refusal(host, (b"host", b"evil.example")) is INVALID_HOST
    assert refusal(host, origin, origin) is FORBIDDEN_ORIGIN
    assert refusal(host, origin, (b"origin", b"null")) is FORBIDDEN_ORIGIN


def test_origin_policy_raises_for_malformed_patterns() -> None:
    for host in NO_HOSTS:
        with pytest.raises(ValueError, match="is not a host"):
            OriginPolicy(hosts=[host])
    for origin in NO_ORIGINS:
        with pytest.raises(ValueError, match=r"is not an? (host|origin)"):
            OriginPolicy(origins=[origin])


# The same of the stages: that their policy is this one, with the settings.


@pytest.fixture(scope="module")
def usual(stage: Stage) -> Iterator[ServerProcess]:
    with start(stage) as running:
        yield running


@pytest.fixture(scope="module")
def public(stage: Stage) -> Iterator[ServerProcess]:
    with start(stage, **SETTINGS) as running:
        yield running


def page_status(running: ServerProcess, host: str) -> int:
    """Ask for a page under that Host: the status."""
    request = f"GET /chats HTTP/1.1\r\nHost: {host}\r\n\r\n"
    return status_of(running.raw(request.encode()))


@pytest.mark.stages(1)
def test_host_middleware_refuses_pages_under_another_host(
    usual: ServerProcess, public: ServerProcess
) -> None:
    for running in (usual, public):
        for host, _, _ in OPEN:
            assert page_status(running, host) == 200
        for host, _, _ in STRANGE:
            assert page_status(running, host) == 400
    refusal = usual.get("/", Host="tunnel.example")
    assert "ALLOWED_HOSTS or PUBLIC_URL" in refusal.text
    for host in ("chat.example:8443", "party.local", "other.local:1999"):
        assert page_status(usual, host) == 400
        assert page_status(public, host) == 200


@pytest.mark.stages(1)
def test_host_middleware_exempts_health_checks_only(
    usual: ServerProcess, public: ServerProcess
) -> None:
    """Load balancers send HTTP/1.0 without Host, an empty one, or their own."""
    asked = ["{} HTTP/1.0\r\n", "{} HTTP/1.1\r\nHost: \r\n"]
    asked.append("{} HTTP/1.1\r\nHost: evil.example\r\n")
    other = ["/", "/chats/healthz", "/healthz/", "/build", "/parties/x/healthz"]
    for running, paths in (
        (usual, ["/healthz"]),
        (public, ["/healthz", "/app/healthz"]),
    ):
        for head in asked:
            for path in (*paths, *other):
                request = f"GET {head.format(path)}\r\n".encode()
                expected = 200 if path in paths else 400
                assert status_of(running.raw(request)) == expected, request


@pytest.mark.stages(1)
def test_redirect_keeps_the_browsers_scheme_and_host(
    public: ServerProcess,
) -> None:
    for path, target in (
        ("/chats/", "/app/chats"),
        ("/app/chats/?wire=1", "/app/chats?wire=1"),
        ("/usage//", "/app/usage"),
        ("/app", "/app/"),
    ):
        for host in (
            "chat.example:8443",
            f"127.0.0.1:{public.port}",
            "localhost\r\nX-Forwarded-Proto: gopher",
            "localhost\r\nX-Forwarded-Host: evil.example",
            "localhost\r\nX-Forwarded-Prefix: /evil",
        ):
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            answer = public.raw(request.encode())
            assert status_of(answer) == 307
            assert f"\r\nlocation: {target}\r\n".encode() in answer


def test_redirect_to_another_origin_is_unchanged() -> None:
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "headers": [(b"host", b"localhost:1999")],
    }
    for location, target in (
        ("https://example.org/x?y#z", "https://example.org/x?y#z"),
        ("//example.org/x", "//example.org/x"),
        ("/chats#end", "/chats#end"),
        ("http://localhost:1999/chats?x#end", "/chats?x#end"),
        ("http://localhost:1999//evil.example", "/evil.example"),
        ("http://localhost:1999", "/"),
    ):
        assert without_origin(location, scope) == target


@pytest.mark.stages(2)
def test_stage_has_the_origin_policy_for_its_rooms(
    usual: ServerProcess, public: ServerProcess
) -> None:
    path = "/parties/chatroom/hello-world"
    for running in (usual, public):
        for host, origin, status in (OPEN[3], FOREIGN[0], STRANGE[0]):
            assert knock(running, path, host, origin) == status
    for host, origin, status in LISTED:
        assert knock(usual, path, host, origin) != status
        assert knock(public, path, host, origin) == status
    assert "ERROR" not in usual.errors()


@pytest.mark.stages(2)
def test_stage_lets_allowed_origins_read_older_messages(
    public: ServerProcess,
) -> None:
    def readable_by(origin: str) -> str | None:
        path = "/parties/chatroom/hello-world?before=9"
        answer = public.get(path, Origin=origin)
        assert answer.json()["messages"] == []
        return answer.headers.get("access-control-allow-origin")

    assert readable_by("https://slides.example") == "https://slides.example"
    assert readable_by("https://evil.example") is None


@pytest.mark.stages(2)
def test_page_before_no_sequence_number_is_refused(
    public: ServerProcess,
) -> None:
    for before in ("", "x", "1.5"):
        answer = public.get(f"/parties/chatroom/hello-world?before={before}")
        assert answer.status == 422
        assert "sequence number" in answer.json()["error"]


@pytest.mark.stages(5)
def test_stage_refuses_changes_from_another_origin(
    public: ServerProcess,
) -> None:
    """Not even with the presenter's key, which it cannot have."""

    def pause(**headers: str) -> int:
        action = {"action": "pause"}
        bearer = {"Authorization": f"Bearer {SETTINGS['PRESENTER_KEY']}"}
        headers = {**bearer, **headers}
        return public.ask("POST", "/presenter", action, **headers).status

    assert pause() == pause(Origin=public.url) == 200
    assert pause(Origin="https://slides.example") == 200
    for _, origin, _ in FOREIGN[:12]:
        assert pause(Origin=origin or "null") == 403
    page = public.get("/chats", Origin="https://evil.example")
    assert page.status == 200
    assert "access-control-allow-origin" not in page.headers


def test_serve_refuses_lists_that_allow_everybody() -> None:
    said = fails_to_start(
        "demo_01", ALLOWED_HOSTS="party.local,*", ALLOWED_ORIGINS="null"
    )
    assert "  ALLOWED_HOSTS=party.local,*: " in said
    assert "  ALLOWED_ORIGINS=null: " in said
