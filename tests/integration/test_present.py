"""`make present`: its keys, its terminal, and the name of each build."""

import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.party.registry import PartyRegistry
from shared.web.build_watcher import BuildWatcher
from shared.web.pages import PageRenderer
from tools.demo_script import read_script, wrap_script
from tools.stages import STEPS, step_files
from tools.the_end.totals import read_totals

from ..support.presenting import Presenting, copy_stages, presenting
from ..support.server_process import PATIENCE, ROOT, Client, Stage, start


def test_build_is_named_by_each_page() -> None:
    with start(Stage(1, ROOT / "demo_01")) as running:
        answer = running.get("/build")
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.text) < 50
        build = answer.text.split()[0]
        for path in ("/", "/chats", "/chats/room-4", "/usage"):
            assert f'data-build="{build}"' in running.get(path).text


def test_build_depends_on_stage_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_stages(tmp_path) / "demo_02"
    monkeypatch.setattr("shared.web.build_watcher.UI", tmp_path / "shared/ui")

    def name(stage: str = "demo_02") -> str:
        renderer = PageRenderer(stage, folder)
        BuildWatcher(renderer, PartyRegistry({}))
        return renderer.build

    names = [name(), name("my_demo")]
    for file in (
        "demo_02/party/chat_room.py",
        "demo_02/ui/room.js",
        "shared/ai/provider.py",
        "shared/ui/pages/page.html",
        "shared/ui/style.css",
    ):
        path = tmp_path / file
        path.write_text(path.read_text("utf-8") + "\n", "utf-8")
        names.append(name())
    assert len(set(names)) == len(names)
    (folder / "README.md").write_text("Read me.", "utf-8")
    assert name() == names[-1]


def test_build_changes_with_a_saved_style_sheet(
    tmp_path: Path,
) -> None:
    """Pages are told by the end of their sockets."""
    stage = Stage(2, copy_stages(tmp_path) / "demo_02")
    style = tmp_path / "shared/ui/style.css"
    before = style.read_text("utf-8")
    with start(stage, RELOAD="1") as running:
        names = [running.get("/build").text.split()]
        for text in (before + "\n", before):
            with running.join() as ada:
                ada.wait_for("history")
                ada.say("hello")
                ada.wait_for("ack")
                style.write_text(text, "utf-8")
                assert ada.closed()[0] == 1012
            names.append(running.get("/build").text.split())
        with running.join() as ada:
            said = ada.wait_for("history")["messages"]
            assert [each["body"] for each in said] == ["hello", "hello"]
    (first, _), (second, _), (third, _) = names
    assert first == third != second
    assert len({since for _, since in names}) == 3


def test_build_is_not_named_during_shutdown() -> None:
    """A page that came back to it would soon be lost again."""
    parties = PartyRegistry({})
    build = BuildWatcher(PageRenderer("demo_01", ROOT / "demo_01"), parties)
    client = TestClient(Starlette(routes=build.routes))
    assert client.get("/build").text.startswith(build.renderer.build)
    parties.closed = True
    answer = client.get("/build")
    assert answer.text == ""
    assert answer.headers["connection"] == "close"


def test_present_shows_the_script_and_the_provider() -> None:
    """Without a key or Ollama, that is a recording, and nothing else."""
    with presenting(AI="", LINES="60") as present:
        present.runs(1)
        present.press("3")
        present.shows("AI: a recording of ")
        shown = present.shows("no model answers other questions")
        for text in (
            "Stage 3: an AI",
            "(script: 3:50)",
            "Press n. Left: All Chats, Hello, World!.",
            "    Let's have an AI join us.",
            "Open demo_03/party/chat_room.py: reply_with_ai.",
            present.url,
        ):
            assert text in shown
        assert not re.search(r"[`*#>]", re.sub("/presenter#.*", "", shown))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_wrap_script_keeps_all_words(width: int) -> None:
    for part in read_script():
        lines = wrap_script(part.text, width)
        plain = [re.sub(r"\033\[\d*m", "", line) for line in lines]
        assert max(map(len, plain)) <= width
        words = re.sub(r"^>|[`*]", "", part.text, flags=re.M).split()
        assert " ".join(plain).split() == words


def test_present_scrolls_the_script() -> None:
    with presenting(LINES="16") as present:
        present.runs(1)
        place = r"── lines (\d+)–(\d+) of (\d+) "
        first, last, count = re.findall(place, present.shown)[-1]
        assert first == "1"
        for keys, line in (("j", "2"), ("\033[B", "3"), ("kkkk", "1")):
            present.press(keys)
            present.shows(f"── lines {line}–")
        present.press(" ")
        present.shows(f"── lines {int(last) + 1}–")
        present.press(" " * 9)
        present.shows(f"–{count} of {count} ")


def test_present_fits_a_small_terminal() -> None:
    """The heading, the link in one line, and the keys."""
    size = {"COLUMNS": "80", "LINES": "24"}
    with presenting(LAN="1", HOST="127.0.0.2", AI="", **size) as present:
        present.press("3")
        present.shows("no model answers other questions")
        lines = present.rows()
        assert lines[0].startswith(" Stage 3: an AI ")
        assert any(re.fullmatch(r"http\S+/presenter#\S{43}", x) for x in lines)
        assert lines[23].startswith(" n next  b back")
        assert sum(line.startswith("    ") for line in lines) > 2
        assert max(map(len, lines)) <= 80


@contextmanager
def somebody_asks(server: Client) -> Iterator[list[str]]:
    """Ask for a page again and again; what came of it is told."""
    told: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                text = server.get("/").text
            except OSError as error:
                told.append(repr(error))
                continue
            told.extend(re.findall(r"<code>(\w+)</code>", text))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_present_switches_stages_by_keys() -> None:
    with presenting() as present:
        present.runs(1)
        with somebody_asks(present) as told:
            for keys, stage in (
                ("b4n", 5),
                ("\033[5~bbbb", 1),
                ("nnnnnbn5", 5),
                ("1\033[6~", 2),
            ):
                present.press(keys)
                present.runs(stage)
        runs = [a for a, b in zip(told, [*told[1:], ""], strict=True) if a != b]
        assert runs == [f"demo_{stage:02}" for stage in (1, 5, 1, 5, 2)]


def test_present_reports_each_key() -> None:
    with presenting() as present:
        present.runs(1)
        for key, message in (
            ("\r", "Enter does nothing."),
            ("\033[C", "That key does nothing."),
            ("9", "9 does nothing."),
            ("b", "b: this is the first stage."),
            ("q", "End the demo? q again ends it; any other key cancels."),
            ("n", "The demo goes on."),
            ("\3", "End the demo? q again ends it; any other key cancels."),
            ("1", "The demo goes on."),
            ("n", "n: stage 2."),
            ("1", "1: stage 1, started again."),
        ):
            present.press(key)
            present.shows(message)
            if "stage 2." in message or "again." in message:
                present.shows("runs at")


def test_present_shows_the_totals_at_the_end() -> None:
    repository = "https://github.com/me/party-chat"
    with presenting(REPOSITORY_URL=repository) as present:
        present.runs(1)
        present.press("4")
        present.runs(4)
        with present.join() as ada:
            ada.wait_for("history")
            for user in ("Ada", "Ben", "Ada"):
                ada.say("hello", user)
                ada.wait_for("ack")
        present.press("nn")
        present.shows("n: the closing page.")
        present.shows("the_end runs at")
        for path in ("/", "/chats", "/chats/room-4", "/usage", "/whats-new"):
            page = present.get(path).text
            data = json.loads(re.findall(r'id="data">(.*?)</script>', page)[0])
            assert [step["added"] for step in data["steps"]] == [
                step_files(level)[1] for level in STEPS
            ]
            assert data["totals"] == {
                "People": 2,
                "Messages": 3,
                "Replies of the AI": 0,
                "Tokens": 0,
            }
            assert data["repository"] == repository
        present.press("n")
        present.shows("n: this is the end.")
        present.press("b")
        present.runs(5)


def test_read_totals_needs_a_sqlite_file(tmp_path: Path) -> None:
    assert read_totals("memory") == {}
    assert read_totals(f"sqlite:{tmp_path}/new.db") == {}


def test_present_reports_a_stage_that_does_not_start(
    tmp_path: Path,
) -> None:
    """Later requests are answered by the next one."""
    app = copy_stages(tmp_path) / "demo_02/app.py"
    good = app.read_text("utf-8")
    app.write_text(good + "def x(\n", "utf-8")
    with presenting(tmp_path, RELOAD="1") as present:
        present.runs(1)
        present.press("n")
        shown = present.shows("It does not run")
        assert "demo_02/app.py, line 52: '(' was never closed" in shown
        assert "Traceback" not in shown
        with somebody_asks(present) as told:
            present.press("n")
            present.runs(3)
        assert set(told) == {"demo_03"}
        present.press("b")
        present.shows("It does not run")
        app.write_text(good, "utf-8")
        present.runs(2)


@pytest.mark.soak
def test_present_kills_a_stage_that_does_not_end(tmp_path: Path) -> None:
    app = copy_stages(tmp_path) / "demo_01/app.py"
    slow = "\nimport atexit, time\natexit.register(time.sleep, 60)\n"
    app.write_text(app.read_text("utf-8") + slow, "utf-8")
    with presenting(tmp_path) as present:
        present.runs(1)
        present.press("n")
        present.runs(2)


@pytest.mark.parametrize(
    "how",
    [
        "\3q",
        signal.SIGKILL,
        pytest.param("qq", marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, marks=pytest.mark.soak),
    ],
)
def test_present_leaves_no_process_behind(how: str | signal.Signals) -> None:
    with presenting() as present:
        present.runs(1)
        during = termios.tcgetattr(present.keys)
        assert not during[3] & termios.ECHO
        if isinstance(how, str):
            present.press(how)
            assert present.is_gone() == 0
        else:
            present.process.send_signal(how)
            assert present.is_gone() != 0
        if how != signal.SIGKILL:
            assert termios.tcgetattr(present.keys) == present.before


@pytest.mark.parametrize("lines", ["20", "24"])
def test_present_keeps_the_link_and_shows_a_qr_code(lines: str) -> None:
    with presenting(LAN="1", HOST="127.0.0.2", LINES=lines) as present:
        links = set()
        for stage in (1, 2):
            present.shows(f"demo_0{stage} runs at http://127.0.0.2")
            links |= set(re.findall(r"/presenter#(\S{43})", present.shown))
            assert "█" not in present.shown
            present.press("r")
            present.shows("█" if lines == "24" else "The QR code does not fit")
            present.press("r")
            present.shows("/presenter#")
            present.press("n")
        assert len(links) == 1


def test_present_keeps_moderation_between_stages() -> None:
    """It always has a link, also where nobody else can open the app."""
    with presenting() as present:
        found = re.search(r"/presenter#(\S{43})", present.shows("/presenter#"))
        assert found
        key = {"Authorization": f"Bearer {found[1]}"}
        for stage, action, answers in (
            (1, {"action": "pause"}, "everybody"),
            (2, {"action": "answer_only_presenter"}, "nobody"),
            (3, MUTE, "presenter"),
        ):
            present.runs(stage)
            state = present.get("/presenter/state", **key).json()
            assert state["answers"] == answers
            assert state["muted"] == ["Mallory"] * (stage > 1)
            assert state["recordings_only"] is (stage > 1)
            assert not state["cursors_hidden"]
            for each in (action, {"action": "play_recordings"}, MUTE):
                present.ask("POST", "/presenter", each, **key)
            present.press("n")


@pytest.mark.parametrize(
    ("store", "note", "is_kept"),
    [
        ("", "they are deleted at the end.", True),
        ("memory", "A switch loses the messages", False),
    ],
)
def test_present_keeps_messages_over_a_switch_and_a_crash(
    tmp_path: Path, store: str, note: str, is_kept: bool
) -> None:
    with presenting(TMPDIR=str(tmp_path), STORE=store) as present:
        present.press("2")
        present.runs(2)
        assert note in present.shown
        with present.join() as ada:
            ada.wait_for("history")
            ada.say("hello")
            ada.wait_for("ack")
        for key in ("n", "3"):
            present.press(key)
            present.runs(3)
            for is_crash in (False, True):
                if is_crash:
                    os.kill(only_child(present.process.pid), signal.SIGKILL)
                assert read_history(present) == ["hello"] * is_kept
    assert not list(tmp_path.iterdir())


def read_history(present: Presenting) -> list[str]:
    """Return the texts of a room; a stage that ends refuses its visitors."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with present.join() as ada:
                messages = ada.wait_for("history")["messages"]
                return [each["body"] for each in messages]
        except (InvalidStatus, ConnectionClosed, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def only_child(pid: int) -> int:
    """Wait until a process has one child: no stage ends beside the next."""
    deadline = time.monotonic() + PATIENCE
    while len(found := children(pid)) != 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found[0]


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)],
        capture_output=True,
        encoding="utf-8",
    )
    return [int(line) for line in done.stdout.split()]


MUTE = {"action": "mute", "name": "Mallory"}


def test_present_needs_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.present"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "terminal" in done.stderr
