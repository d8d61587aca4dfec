"""A stage built by hand: how it starts, runs, and is checked."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from shared.web.traceback_summary import summarize_traceback

from ..support.server_process import ROOT, ServerProcess, Stage, start

CHROMIUM = "There is no Chromium on this machine."
NO_USAGE = "stage 4 adds the party that counts"


def copy(number: int, folder: Path) -> Path:
    """A stage in a folder of somebody's own."""
    ignored = shutil.ignore_patterns("__pycache__")
    source = ROOT / f"demo_{number:02}"
    return Path(shutil.copytree(source, folder / "my_demo", ignore=ignored))


def edit(path: Path, old: str, new: str) -> None:
    """Make one change in a file."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def run(*command: str, **environment: str) -> tuple[int, list[str]]:
    """Run a tool: its exit status, and the lines that it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout.splitlines()


def check(what: str, folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Check a folder."""
    return run("-m", "tools.check", what, str(folder), **environment)


# To start


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project without its later stages, as far as a start needs it."""
    for name in ("tools", "docs/exercises", "demo_01", "demo_02"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def begin(project: Path, number: str, **again: str) -> tuple[int, list[str]]:
    """Run `make start-NN` there."""
    return run(str(project / "tools/start.py"), number, **again)


def names(folder: Path) -> set[str]:
    """The files in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files}


def test_a_start_copies_the_stage_before_and_says_what_to_do(
    project: Path,
) -> None:
    status, lines = begin(project, "03")
    mine = project / "my_demo"
    assert status == 0
    expected = names(project / "demo_02") - {"README.md"} | {".started-from"}
    assert names(mine) == expected
    assert (mine / ".started-from").read_text("utf-8") == "demo_02\n"
    for name in ("app.py", "party/chat_room.py", "ui/room.js"):
        same = (ROOT / "demo_02" / name).read_bytes()
        assert (mine / name).read_bytes() == same
    for told in ("`make my-demo`", "`make check-03`", "`my_demo/party/ai.py`"):
        assert told in "\n".join(lines)


def test_hidden_files_and_dangling_links_are_neither_copied_nor_compared(
    project: Path,
) -> None:
    shutil.copy(ROOT / "Makefile", project)
    stage = project / "demo_02"
    expected = names(stage) - {"README.md"} | {".started-from"}
    for lock in (".#app.py", "gone.py"):
        (stage / lock).symlink_to("ada@project.1234")
    for name in (".idea/mine.xml", "__pycache__/app.pyc"):
        (stage / name).parent.mkdir()
        (stage / name).touch()
    assert begin(project, "03")[0] == 0
    assert names(project / "my_demo") == expected
    assert not (project / "my_demo/gone.py").is_symlink()
    diff = ["make", "--silent", "-C", str(project), "diff-02"]
    shown = subprocess.check_output(diff, encoding="utf-8")
    assert "demo_02/party/chat_room.py" in shown
    assert not re.search(r"\.#app|gone\.py|mine\.xml|app\.pyc", shown)


def test_a_start_never_overwrites_what_somebody_built(project: Path) -> None:
    begin(project, "03")
    for old in ("my_demo_1", "my_demo_2"):
        (project / "my_demo/mine.py").write_text(old, "utf-8")
        status, lines = begin(project, "02")
        assert status == 1
        (line,) = lines
        assert "make start-02 AGAIN=1" in line
        assert (project / "my_demo/mine.py").read_text("utf-8") == old
        assert begin(project, "02", AGAIN="1")[0] == 0
        assert (project / old / "mine.py").read_text("utf-8") == old
        assert not (project / "my_demo/mine.py").exists()
    assert (project / "my_demo/.started-from").read_text("utf-8") == "demo_01\n"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("04", "There is no demo_03 here to start from"),
        ("01", "There is no start-01"),
        ("typing", "There is no start-typing"),
    ],
)
def test_what_cannot_be_started_is_one_line(
    project: Path, number: str, words: str
) -> None:
    status, (line,) = begin(project, number)
    assert status == 1
    assert words in line
    assert not (project / "my_demo").exists()


# To run


def test_a_traceback_becomes_a_place_and_words(tmp_path: Path) -> None:
    here, there = tmp_path / "my_demo", tmp_path / "shared"
    text = (
        "ERROR party: it failed\nTraceback (most recent call last):\n"
        f'  File "{here}/app.py", line 3, in <module>\n    import x\n'
        f'  File "{here}/party/x.py", line 7, in f\n    g(1)\n    ~^^^\n'
        f'  File "{there}/y.py", line 9, in g\n    raise ValueError\n'
        "ValueError: 1 is too small\nWARNING party: and more\n"
    )
    assert summarize_traceback(text, here) == (
        "my_demo/party/x.py, line 7: ValueError: 1 is too small"
    )
    assert summarize_traceback(text, tmp_path / "other") == ""
    assert summarize_traceback("all is well", here) == ""


@pytest.fixture
def reloading(tmp_path: Path) -> Iterator[ServerProcess]:
    """A stage of one's own that runs as `make my-demo` runs it."""
    with start(Stage(1, copy(1, tmp_path)), RELOAD="1") as running:
        yield running


def test_a_mistake_on_save_is_one_line_and_its_repair_is_noticed(
    reloading: ServerProcess,
) -> None:
    app = reloading.stage.folder / "app.py"
    right = app.read_text("utf-8")
    app.write_text('"""Mine."""\ndef (\n', "utf-8")
    while "line 2" not in (told := reloading.errors()):
        time.sleep(0.05)
    assert told.endswith("\nmy_demo/app.py, line 2: invalid syntax\n")
    assert reloading.process.stdout
    app.write_text(right, "utf-8")
    assert "runs at" in reloading.process.stdout.readline()
    (reloading.stage.folder / "new.py").touch()
    assert "runs at" in reloading.process.stdout.readline()


def test_it_ends_when_it_is_told_to_while_it_starts() -> None:
    """As when somebody saves twice in a row; else it would run for ever."""
    code = """if True:
        import signal
        from shared import serve
        told = lambda *_: print(signal.raise_signal(signal.SIGTERM))
        serve.PartyServer.run = told
        serve.main()
    """
    assert run("-c", code, "demo_01", PORT="0", RELOAD="0") == (0, [])


# To check


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "self.room.log(Message)",
            "self.room.log(Message",
            "my_demo/party/chat_room.py, line 18: '(' was never closed",
        ),
        (
            "from shared.chat.parsing import parse_message",
            "from shared.chat.parsing import say",
            "my_demo/party/chat_room.py, line 6: ImportError: cannot import "
            "name 'say' from 'shared.chat.parsing'",
        ),
    ],
)
def test_what_does_not_start_is_said_in_one_line(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    mine = copy(2, tmp_path)
    edit(mine / "party/chat_room.py", old, new)
    status, (line,) = check("03", mine)
    assert status == 1
    assert line.startswith(words)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("03", "There is no nothing yet: make start-03 makes it."),
        ("01", "There is no check-01."),
        ("nonsense", "There is no check-nonsense."),
    ],
)
def test_what_cannot_be_checked_is_one_line(what: str, words: str) -> None:
    status, (line,) = check(what, ROOT / "nothing")
    assert status == 1
    assert line.startswith(words)


Found = dict[int, dict[str, str]]
"""By stage, or 0 without headings, each behaviour and what came of it."""

LINE = re.compile(
    r"  (?P<result>done|todo|left out)  (?P<name>.+?)"
    rf"(?P<expected>: expected .+; came: .+)?(: ({CHROMIUM}|{NO_USAGE}))?"
)


def found(lines: list[str]) -> Found:
    """Read what a check printed; nothing else may be in it."""
    *lines, last = lines
    found: Found = {}
    now = 0
    for line in lines:
        if heading := re.fullmatch(r"Stage (\d)", line):
            now = int(heading[1])
            continue
        told = LINE.fullmatch(line)
        assert told, line
        assert (told["result"] == "todo") == bool(told["expected"]), line
        found.setdefault(now, {})[told["name"]] = told["result"]
    outcomes = [each for names in found.values() for each in names.values()]
    sum = f"{outcomes.count('done')} of {len(outcomes)} done."
    assert last.startswith(sum)
    return found


def stages() -> dict[str, str]:
    """Return the contents of the stages, file by file."""
    return {
        f"{folder.name}/{name}": sha256(
            (folder / name).read_bytes()
        ).hexdigest()
        for folder in ROOT.glob("demo_0*")
        for name in names(folder)
        if "__pycache__" not in name
    }


def outcomes(found: Found, *numbers: int) -> set[str]:
    """Return the results of the behaviours that those stages add."""
    return {each for n in numbers for each in found.get(n, {}).values()}


NO_BROWSER = {"PATH": "", "PLAYWRIGHT_BROWSERS_PATH": "/nowhere"}


@pytest.mark.soak
@pytest.mark.parametrize(("number", "environment"), [(3, {}), (5, NO_BROWSER)])
def test_a_finished_copy_has_it_all(
    tmp_path: Path, number: int, environment: dict[str, str]
) -> None:
    """Where there is no browser, its part is left out, and said to be."""
    before = stages()
    mine = copy(number, tmp_path)
    status, lines = check(f"{number:02}", mine, PATIENCE="5", **environment)
    assert status == 0, "\n".join(lines)
    came = outcomes(found(lines), *range(1, number + 1))
    assert came == ({"done", "left out"} if environment else {"done"})
    left_out = [line for line in lines if line.startswith("  left out")]
    assert all(line.endswith(CHROMIUM) for line in left_out)
    assert stages() == before


@pytest.mark.soak
@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_a_copy_of_the_stage_before_lacks_exactly_what_the_stage_adds(
    tmp_path: Path, number: int
) -> None:
    """With a browser for stage 2 alone, as browsers take their time."""
    before = stages()
    mine = copy(number - 1, tmp_path)
    environment = {} if number == 2 else NO_BROWSER
    status, lines = check(f"{number:02}", mine, PATIENCE="3", **environment)
    assert status == 1
    told = found(lines)
    assert outcomes(told, number) - {"left out"} == {"todo"}
    assert outcomes(told, *range(1, number)) - {"left out"} == {"done"}
    assert stages() == before


@pytest.mark.soak
def test_what_fails_in_the_server_is_said_beside_what_was_expected(
    tmp_path: Path,
) -> None:
    mine = copy(2, tmp_path)
    edit(mine / "party/chat_room.py", "sender.send(", "sender.sent(")
    status, lines = check("02", mine, PATIENCE="1", **NO_BROWSER)
    assert status == 1
    code = (mine / "party/chat_room.py").read_text("utf-8")
    number = code.partition("sender.sent(")[0].count("\n") + 1
    place = f"my_demo/party/chat_room.py, line {number}"
    shown = f"(the server says: {place}: AttributeError"
    assert sum(shown in line for line in lines) == 1
    assert sum("(the server says: as above)" in line for line in lines) > 3
    assert "Traceback" not in "".join(lines)
