"""The pages, and what a browser is told about them (every stage)."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import unescape
from urllib.parse import urljoin

import pytest

from ..support.server_process import (
    HANDSHAKE,
    Answer,
    ServerProcess,
    Stage,
    start,
)

ROOMS = {
    "hello-world": "Hello, World!",
    "party-chat": "Party Chat",
    "on-page-help": "On-Page Help",
    "room-4": "Room #4",
}
PAGES = ["/", "/chats", "/usage", *(f"/chats/{room}" for room in ROOMS)]
MISSING = [
    "/nowhere",
    "/chats/nowhere",
    "/chats/hello-world/x",
    "/chats/Hello-World",
    "/chats/%00",
    "/chats/" + "x" * 5_000,
    "/chats/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
]
BUILD = re.compile("/[0-9a-f]{12}/")
"""In the address of a file, the name of what is in its folder now."""

SECRETS = {
    "OPENAI_API_KEY": "sk-secret-6f1d",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/secret-base-2c7a",
    "OLLAMA_HOST": "http://127.0.0.1:9/secret-host-93be",
    "ALLOWED_HOSTS": "secret-host-51e0.example",
    "ALLOWED_ORIGINS": "https://secret-origin-77aa.example",
    "SOMETHING_ELSE": "secret-variable-0b1f",
}


@pytest.fixture(scope="module")
def shell(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all tests of this file: they only read."""
    with start(stage, AI="openai", **SECRETS) as running:
        yield running


def import_map(page: Answer) -> str:
    """The import map in a page, as it is written there."""
    found = re.findall(
        r'<script type="importmap">(.*?)</script>', page.text, re.S
    )
    assert len(found) == 1
    return str(found[0])


def imported(
    server: ServerProcess, page: Answer, entries: Iterable[str]
) -> set[str]:
    """Return the URLs of modules, of their imports, and so on."""
    names: dict[str, str] = json.loads(import_map(page))["imports"]
    found = list(entries)
    for url in found:
        text = server.get(url).text if url.endswith("js") else ""
        for name in re.findall(r'(?:from|import)\s*"([^"]+)"', text):
            if name.startswith("."):
                each = urljoin(url, name)
            else:
                each = re.sub("^shared/", names["shared/"], name)
                each = names.get(each, each)
            if each not in found:
                found.append(each)
    return set(found)


def files_of(shell: ServerProcess) -> set[str]:
    """Each file that a page names, and each that those import."""
    page = shell.get("/chats/hello-world")
    names = json.loads(import_map(page))["imports"].values()
    links = re.findall(r'(?:src|href)="([^"]+\.\w+)"', page.text)
    files = [url for url in (*links, *names) if not url.endswith("/")]
    return imported(shell, page, files)


@pytest.mark.behaviour("Each page answers")
def test_page_answers(shell: ServerProcess) -> None:
    for path in PAGES:
        page = shell.get(path)
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert 'href="/chats"' in page.text
        assert 'href="/usage"' in page.text


@pytest.mark.behaviour("The chats are the four rooms")
def test_page_of_all_chats_has_the_four_rooms(shell: ServerProcess) -> None:
    text = unescape(shell.get("/chats").text)
    for slug, name in ROOMS.items():
        assert f'"slug":"{slug}"' in text
        assert f'"name":"{name}"' in text
        assert f"<h1>{name}</h1>" in unescape(shell.get(f"/chats/{slug}").text)


@pytest.mark.parametrize("path", MISSING)
def test_page_not_found_has_links_to_others(
    shell: ServerProcess, path: str
) -> None:
    page = shell.get(path)
    assert page.status == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/chats"' in page.text
    assert "No such page" in page.text
    assert page.text.count("<script>") == 1  # the page's own


def test_page_refuses_post(shell: ServerProcess) -> None:
    assert shell.ask("POST", "/chats", {}).status == 405


@pytest.mark.stages(1, 1)
def test_stage_1_has_no_parties(shell: ServerProcess) -> None:
    for room in ("chatroom/hello-world", "usage/total", "presence/x"):
        assert shell.get(f"/parties/{room}").status == 404
    assert shell.raw(HANDSHAKE % b"/parties/chatroom/hello-world").startswith(
        b"HTTP/1.1 404 "
    )


def test_static_files_are_modules_with_an_immutable_url(
    shell: ServerProcess,
) -> None:
    files = files_of(shell)
    plain = {BUILD.sub("/", path): path for path in files}
    assert f"/{shell.stage.folder.name}/ui/room.js" in plain
    assert len(files) == len(plain) > 15
    for name, path in plain.items():
        for url, keep in (
            (path, "public, max-age=31536000, immutable"),
            (BUILD.sub("/0123456789ab/", path), "no-cache"),
            (name, "no-cache"),
        ):
            file = shell.get(url)
            assert file.status == 200, url
            assert file.headers["cache-control"] == keep, url
            kind = file.headers["content-type"].split(";")[0]
            kinds = {"js": "text/javascript", "mjs": "text/javascript"}
            kinds |= {"css": "text/css", "svg": "image/svg+xml"}
            assert kind == kinds[path.rpartition(".")[2]]


def test_static_files_answer_304_for_an_unchanged_file(
    shell: ServerProcess,
) -> None:
    tags = set()
    for how in ("gzip", "identity"):
        whole = shell.get("/shared/ui/style.css", Accept_Encoding=how)
        tag = whole.headers["etag"]
        tags.add(tag)
        answer = shell.get(
            "/shared/ui/style.css", If_None_Match=tag, Accept_Encoding=how
        )
        assert (answer.status, answer.text) == (304, "")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert len(tags) == 2


def test_csp_allows_the_inline_scripts_of_the_page_only(
    shell: ServerProcess,
) -> None:
    for path in (*PAGES, "/nowhere"):
        page = shell.get(path)
        policy = page.headers["content-security-policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        loading = re.findall(r"<script>(.*?)</script>", page.text, re.S)
        hashes = [
            f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'"
            for each in (*loading, import_map(page))
        ]
        assert rules["script-src"] == " ".join(["'self'", *hashes])
        assert rules["default-src"] == "'none'"
        assert "unsafe" not in policy
        assert "*" not in policy
        # All the other scripts come from files, and no style is inline.
        inline = re.findall(r"<script(?![^>]*src=)[^>]*>", page.text)
        kinds = ['type="importmap"', 'type="application/json" id="data"']
        assert inline == ["<script>", *(f"<script {kind}>" for kind in kinds)]
        assert not re.search(r"<style|\sstyle=|\son\w+=", page.text)


def test_responses_contain_no_secret(shell: ServerProcess) -> None:
    paths = {*PAGES, *MISSING, *files_of(shell), "/healthz", "/parties/x/y"}
    for path in paths:
        answer = shell.get(path)
        told = f"{answer.headers}\n{answer.text}"
        for name, value in SECRETS.items():
            assert value not in told, f"{name} in {path}"
            assert value.rpartition("/")[2] not in told, f"{name} in {path}"


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/app.py",
        "/shared/settings.py",
        "/shared/ui/../settings.py",
        "/shared/ui/%2e%2e/settings.py",
        "/shared/ui/..%2fsettings.py",
        "/shared/ui//etc/passwd",
        "/lib/preact/../../.env.example",
        "/lib/@msgpack/msgpack/..%2f..%2f..%2fpyproject.toml",
        "/lib/typescript/package.json",
        "/{stage}/app.py",
        "/{stage}/ui/../app.py",
        "/{stage}/ui/%2e%2e/app.py",
    ],
)
def test_static_files_serve_no_other_file(
    shell: ServerProcess, path: str
) -> None:
    path = path.format(stage=shell.stage.folder.name)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert b" 404 " in shell.raw(request.encode()).splitlines()[0]


def test_health_check_answers(shell: ServerProcess) -> None:
    answer = shell.get("/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")
