"""What's new: the real difference from the stage before (stage 2 on)."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from shared.whats_new.diff import (
    MAX_SHOWN_CHARACTERS,
    MAX_SHOWN_LINES,
    diff_folders,
    read_lines,
)
from shared.whats_new.introduction import read_introduction
from shared.whats_new.page import WhatsNewPage, previous_stage

from ..support.server_process import ROOT, ServerProcess, Stage, start

PAGE = "/whats-new"
NASTY = """</code></li><script>alert(1)</script> &amp; "quoted" 'too' <b>"""

FILE = re.compile(r'<section class="file \w+" id="file-([^"]*)">')
LINE = re.compile(
    r'<li class="(old|new)" data-n="(\d+)"[^>]*><code>(.*?)</code></li>'
)
ROWS = re.compile(r'<ol class="rows (\w+)" role="list">(.*?)</ol>', re.DOTALL)


class Shown(NamedTuple):
    """A file's lines as the page shows them: each kind and text."""

    old: list[tuple[str, str]]
    new: list[tuple[str, str]]


@pytest.fixture(scope="module")
def news(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all tests that only read."""
    with start(stage) as running:
        yield running


@pytest.fixture
def my_demo(tmp_path: Path) -> Path:
    """A copy of a stage, to be changed, beside that stage."""
    shutil.copytree(ROOT / "demo_02", tmp_path / "demo_02")
    folder = tmp_path / "my_demo"
    shutil.copytree(ROOT / "demo_02", folder)
    (folder / ".started-from").write_text("demo_02\n", "utf-8")
    return folder


@pytest.fixture
def mine(my_demo: Path) -> Iterator[ServerProcess]:
    """That copy, as it runs."""
    with start(Stage(2, my_demo)) as running:
        yield running


def shown(running: ServerProcess) -> dict[str, Shown]:
    """The files on the page; their lines are numbered without a gap."""
    page = running.get(PAGE)
    assert page.status == 200
    names = [unescape(name) for name in FILE.findall(page.text)]
    parts = FILE.split(page.text)[2::2]
    return {
        name: Shown(side(part, "old"), side(part, "new"))
        for name, part in zip(names, parts, strict=True)
    }


def side(part: str, wanted: str) -> list[tuple[str, str]]:
    """The old or the new lines of a file."""
    found = [
        (kind, int(number), text_of(line))
        for kind, rows in ROWS.findall(part)
        for side, number, line in LINE.findall(rows)
        if side == wanted
    ]
    assert [number for _, number, _ in found] == [*range(1, len(found) + 1)]
    return [(kind, text) for kind, _, text in found]


def text_of(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html))


def before(stage: Stage) -> Path:
    return ROOT / f"demo_{stage.level - 1:02}"


def named_by_diff(old: Path, new: Path) -> set[str]:
    """The files that `diff -rq` names; those in a folder that it names."""
    ended = subprocess.run(
        ["diff", "-rq", "-x", "__pycache__", "-x", "README.md", old, new],
        capture_output=True,
        encoding="utf-8",
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode == 1, ended.stderr
    found: set[Path] = set()
    for line in ended.stdout.splitlines():
        if match := re.fullmatch(r"Only in (.+): (.+)", line):
            path = Path(match[1], match[2])
            inside = path.rglob("*") if path.is_dir() else [path]
            found |= {each for each in inside if each.is_file()}
        else:
            match = re.fullmatch(r"Files .+ and (.+) differ", line)
            assert match, line
            found.add(Path(match[1]))
    return {
        each.relative_to(new if each.is_relative_to(new) else old).as_posix()
        for each in found
        if each.parent.name != "__pycache__" and not each.name.startswith(".")
    }


def is_whole(old: Path, new: Path, found: dict[str, Shown]) -> None:
    """Each file's lines are on the page, and the changed ones say so."""
    for name, file in found.items():
        assert [text for _, text in file.old] == read_lines(old / name)
        assert [text for _, text in file.new] == read_lines(new / name)
        kept_here = [text for kind, text in file.old if kind != "changed"]
        kept_there = [text for kind, text in file.new if kind != "changed"]
        assert kept_here == kept_there


@pytest.mark.stages(2)
def test_whats_new_shows_the_files_of_diff_whole(
    news: ServerProcess, stage: Stage
) -> None:
    found = shown(news)
    assert found.keys() == named_by_diff(before(stage), stage.folder)
    is_whole(before(stage), stage.folder, found)


@pytest.mark.stages(2)
def test_whats_new_introduces_the_stage_without_the_presenters_cues(
    news: ServerProcess, stage: Stage
) -> None:
    text = news.get(PAGE).text
    words = " ".join(text_of(text).split())
    readme = (stage.folder / "README.md").read_text("utf-8")
    title, introduction, *others = re.split(r"^#+ .+\n", readme, flags=re.M)[1:]
    assert title.strip() == ""
    headings = re.findall(r"^#+ (.+)", readme, re.M)
    assert headings[1] == "What is new"
    assert headings[0] in words
    assert " ".join(re.sub("[`*]", "", introduction).split()) in words
    assert len(others) == len(headings[2:]) >= 2
    for heading in headings[2:]:
        assert heading not in words
    for section in others:
        first = re.sub(r"^\W*(\d+\.)?|[`*]", "", section).split()[:6]
        assert " ".join(first) not in words
    links = re.findall(r'href="#file-([^"]*)"', text)
    assert {unquote(link) for link in links} == shown(news).keys()


@pytest.mark.stages(2)
def test_whats_new_is_linked_and_names_its_command(
    news: ServerProcess, stage: Stage
) -> None:
    for path in ("/", "/chats", "/chats/hello-world", "/nowhere"):
        assert f'<a href="{PAGE}">What’s new</a>' in news.get(path).text
    page = news.get(PAGE)
    assert f'<a href="{PAGE}" aria-current="page">' in page.text
    assert f"<code>make diff-{stage.level:02}</code>" in page.text
    assert "<noscript" not in page.text


@pytest.mark.stages(1, 1)
def test_whats_new_is_missing_in_the_first_stage(news: ServerProcess) -> None:
    assert news.get(PAGE).status == 404
    assert PAGE not in news.get("/").text


def test_whats_new_follows_saved_files(
    mine: ServerProcess, my_demo: Path
) -> None:
    assert shown(mine) == {}
    assert "Nothing yet" in mine.get(PAGE).text
    room = my_demo / "party" / "chat_room.py"
    room.write_text(room.read_text("utf-8").replace("Store", "Keep"), "utf-8")
    (my_demo / "ui" / "home.js").write_text("// at home\n", "utf-8")
    (my_demo / "ui" / "room.js").unlink()
    old = my_demo.with_name("demo_02")
    found = shown(mine)
    assert found.keys() == named_by_diff(old, my_demo)
    assert len(found) == 3
    is_whole(old, my_demo, found)
    page = mine.get(PAGE).text
    assert "<code>diff -ru -x __pycache__ demo_02 my_demo</code>" in page
    assert "Stage 2" not in text_of(FILE.split(page)[0])
    room.write_text(
        (old / "party" / "chat_room.py").read_text("utf-8"), "utf-8"
    )
    assert shown(mine).keys() == {"ui/home.js", "ui/room.js"}


def test_whats_new_escapes_markup(mine: ServerProcess, my_demo: Path) -> None:
    for name in ("app.py", "x.html", "ui/room.js", "<b>&amp; 'x'"):
        path = my_demo / name
        text = path.read_text("utf-8") if path.exists() else ""
        path.write_text(text + NASTY + "\n", "utf-8")
    scripts = mine.get("/").text.count("<script")
    (my_demo / "empty.py").touch()
    page = mine.get(PAGE).text
    assert "It is empty." in page
    assert page.count("<script") == scripts
    assert "<b>" not in page
    is_whole(my_demo.with_name("demo_02"), my_demo, shown(mine))


def test_diff_folders_explains_files_without_lines(my_demo: Path) -> None:
    (my_demo / "empty.py").touch()
    (my_demo / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    (my_demo / "zero.py").write_bytes(b"x\0y")
    (my_demo / "long.py").write_text("x\n" * (MAX_SHOWN_LINES + 1), "utf-8")
    (my_demo / "large.py").write_text("x" * (MAX_SHOWN_CHARACTERS + 1), "utf-8")
    app = my_demo / "app.py"
    app.write_bytes(app.read_bytes().replace(b"\n", b"\r\n"))
    found = diff_folders(my_demo.with_name("demo_02"), my_demo)
    assert {each.name: each.remark for each in found} == {
        "app.py": "The differences are invisible, such as line ends.",
        "empty.py": "It is empty.",
        "picture.png": "It is not text.",
        "zero.py": "It is not text.",
        "long.py": "It is too long to be shown.",
        "large.py": "It is too long to be shown.",
    }


def test_read_lines_reports_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"It cannot be read: .+\."):
        read_lines(tmp_path)
    for path in (tmp_path, tmp_path / "nowhere"):
        assert read_introduction(path) is None


def test_diff_folders_ignores_hidden_files_and_caches(my_demo: Path) -> None:
    old = my_demo.with_name("demo_02")
    for name in (".env", ".idea/x.xml", "__pycache__/x.pyc", "README.md"):
        (my_demo / name).parent.mkdir(exist_ok=True)
        (my_demo / name).write_text("secret", "utf-8")
    assert list(diff_folders(old, my_demo)) == []


def test_whats_new_ignores_links_that_lead_out(
    mine: ServerProcess, my_demo: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.js"
    secret.write_text("secret", "utf-8")
    for name in ("ui/.hidden.js", "party/.hidden.js"):
        (my_demo / name).write_text("secret", "utf-8")
    for name in ("ui/out.js", "party/out.js"):
        (my_demo / name).symlink_to(secret)
    (my_demo / "ui/within.js").symlink_to("room.js")
    (my_demo / "ui/gone.js").symlink_to("nowhere.js")
    (my_demo / "ui/loop.js").symlink_to("loop.js")
    for name in (".hidden.js", "out.js", "gone.js", "loop.js"):
        assert mine.get(f"/my_demo/ui/{name}").status == 404
    assert mine.get("/my_demo/ui/within.js").status == 200
    assert shown(mine).keys() == {"ui/within.js"}


def test_previous_stage_is_the_origin_or_the_number_before(
    my_demo: Path,
) -> None:
    old = my_demo.with_name("demo_02")
    assert previous_stage(my_demo) == old
    for name in ("", "demo_09", "../demo_02", "demo_02/../demo_02", "/etc"):
        (my_demo / ".started-from").write_text(name, "utf-8")
        assert previous_stage(my_demo) is None
    (my_demo / ".started-from").unlink()
    assert previous_stage(my_demo) is None
    assert previous_stage(old) is None
    assert previous_stage(old.with_name("demo_03")) == old
    old.rename(old.with_name("talk2"))
    assert previous_stage(old.with_name("talk3")) == old.with_name("talk2")


def seconds_of(running: ServerProcess) -> float:
    """The computing time that a server's own process has taken so far."""
    stat = Path(f"/proc/{running.process.pid}/stat").read_text("utf-8")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
@pytest.mark.stages(5)
def test_whats_new_does_not_block_others(stage: Stage) -> None:
    """The page takes a second of computing, and once it does for all."""
    with start(stage) as running, ThreadPoolExecutor(20) as pool:
        running.get("/chats")
        before = seconds_of(running)
        found = [*pool.map(lambda _: running.get(PAGE), range(60))]
        assert {each.status for each in found} == {200}
        assert len({each.text for each in found}) == 1
        assert running.ask("POST", f"{PAGE}?%ff=%00", {}).status == 405
        assert seconds_of(running) - before < 0.5


def test_whats_new_reports_that_it_cannot_be_rendered(
    my_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter([False, False, True, False])

    def make() -> str:
        if not next(made):
            raise OSError("Too many open files")
        return "made"

    async def ask() -> None:
        news = WhatsNewPage(my_demo.with_name("demo_02"), my_demo)
        monkeypatch.setattr(news, "_render_in_subprocess", make)
        asked = [news.render(), news.render(), news.render()]
        found = await asyncio.gather(*asked, return_exceptions=True)
        codes = [each.status_code for each in found[:2]]  # type: ignore[union-attr]
        assert codes == [503, 503]
        assert await news.render() == "made"
        (my_demo / "new.py").touch()
        assert await news.render() == "made"

    asyncio.run(ask())


def test_whats_new_alone_loads_pygments() -> None:
    code = "import sys, demo_02.app; sys.exit('pygments' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
