"""Start, reload and stop a server, with right and wrong settings."""

import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import which

import pytest
from websockets.exceptions import ConnectionClosed

from shared.web.build_watcher import CHECK_INTERVAL

from ..support.server_process import (
    HANDSHAKE,
    PATIENCE,
    ROOT,
    ServerProcess,
    Stage,
    WebSocketClient,
    environment,
    free_port,
    start,
)

SHELL = Stage(1, ROOT / "demo_01")
ROOMS = Stage(2, ROOT / "demo_02")
CHAT = Stage(3, ROOT / "demo_03")


CP1252 = {"LC_ALL": "en_US.CP1252", "PYTHONUTF8": "0"}
"""The locale that Windows has in much of the West."""


@pytest.fixture(scope="session")
def cp1252(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of that locale, which is made here if it is missing."""
    if which("locale") and "en_US.cp1252" in output_of("locale", "-a"):
        return CP1252
    folder = tmp_path_factory.mktemp("locales")
    if which("localedef"):
        made = folder / CP1252["LC_ALL"]
        output_of("localedef", "-f", "CP1252", "-i", "en_US", str(made))
        return {**CP1252, "LOCPATH": str(folder)}
    if os.environ.get("CI"):
        pytest.fail("There is no locale with CP1252 on this machine.")
    pytest.skip("There is no locale with CP1252 on this machine.")


def output_of(*command: str) -> str:
    """Run a command; return its standard output."""
    return subprocess.check_output(command, encoding="utf-8")


def fails_to_start(*arguments: str, **settings: str) -> str:
    """Run a server that exits by itself; return its standard error."""
    ended = subprocess.run(
        [sys.executable, "-m", "shared.serve", *arguments],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_serve_names_each_wrong_setting() -> None:
    wrong = {
        "PORT": "65536",
        "RELOAD": "perhaps",
        "GRACEFUL_TIMEOUT": "inf",
        "PUBLIC_URL": "https://example.org/app?x",
        "PARTY_HOST": "ftp://example.org",
        "COUNTRY_HEADER": "…",
        "OLLAMA_HOST": "http://[::1",
        "AI": "gpt",
        "AI_RECORD": "replies\x1b[31m\n",
        "AI_TIMEOUT": "0",
        "PRESENTER_KEY": "15-letters-long",
        "MAX_FRAME_BYTES": "0",
        "MAX_BODY_BYTES": "64k",
        "MAX_MESSAGES_PER_SECOND": "0.5",
        "MAX_CONNECTIONS_PER_ROOM": "-1",
        "MAX_ROOMS": "0",
        "MAX_NEW_ROOMS_PER_MINUTE": "many",
        "HISTORY_LIMIT": "0",
        "MAX_QUEUED_QUESTIONS": "0",
        "DAILY_TOKEN_BUDGET": "0",
    }
    said = fails_to_start("demo_01", **wrong).splitlines()
    assert said[0] == "These settings do not work:"
    assert len(said) == 1 + len(wrong)
    wrong["PRESENTER_KEY"] = "…"  # no secret is printed
    wrong["AI_RECORD"] = r"replies\x1b[31m\n"
    for name, value in wrong.items():
        assert any(line.startswith(f"  {name}={value}: ") for line in said)


def test_serve_names_a_settings_file_in_another_encoding(
    tmp_path: Path,
) -> None:
    """As PowerShell writes it."""
    file = tmp_path / "settings"
    file.write_text("AI=none\n", "utf-16")
    said = fails_to_start("demo_01", ENV_FILE=str(file))
    assert said == f"{file} is not UTF-8 text.\n"


def test_serve_names_settings_without_effect(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "history=5\nPROT=1\nqwxyz=1\nPING=\nSTAGE=demo_02\nHISTORY_LIMIT=9\n",
        "utf-8",
    )
    given = {"LARGEST_FRAME": "5", "UNRELATED": "1", "ENV_FILE": str(file)}
    with start(SHELL, **given) as running:
        assert running.get("/healthz").status == 200
        running.stop()
        assert running.errors().splitlines() == [
            "HISTORY, in .env, has no effect: "
            "the setting is called HISTORY_LIMIT now",
            "LARGEST_FRAME, in the environment, has no effect: "
            "the setting is called MAX_FRAME_BYTES now",
            "PROT, in .env, has no effect: "
            "no setting has that name; the closest one is PORT",
            "QWXYZ, in .env, has no effect: no setting has that name",
        ]


def test_serve_names_a_taken_port_and_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = fails_to_start("demo_01", PORT=port)
    assert f"127.0.0.1:{port} cannot be used" in said
    assert "make demo-01 PORT=2000" in said


@pytest.mark.parametrize("arguments", [["demo_99"], ["demo_01", "more"]])
def test_serve_prints_its_usage_without_a_stage(arguments: list[str]) -> None:
    said = fails_to_start(*arguments)
    assert said.startswith("usage: python -m shared.serve STAGE")


def served(running: ServerProcess) -> dict[str, str]:
    """All pages of a stage, and the modules and styles that they name."""
    pages = ["/", "/chats", "/chats/hello-world", "/usage", "/whats-new"]
    found = {path: running.get(path).text for path in pages}
    links = re.compile(r'"(/[^"]+\.(?:m?js|css|svg))"')
    named = {each for text in found.values() for each in links.findall(text)}
    return found | {path: running.get(path).text for path in named}


def test_serve_sends_the_same_bytes_in_a_windows_locale(
    stage: Stage, cp1252: dict[str, str]
) -> None:
    with start(stage, PYTHONUTF8="1") as running:
        expected = served(running)
    with start(stage, **cp1252) as running:
        assert served(running) == expected
    assert len(expected) > 20


def test_serve_starts_on_a_terminal_without_unicode() -> None:
    """It prints the model's name, in ASCII."""
    model = {"AI": "openai", "OPENAI_API_KEY": "no", "OPENAI_MODEL": "model…"}
    with start(CHAT, PYTHONIOENCODING="ascii", **model) as running:
        assert next_line(running) == "AI: model? (OpenAI)\n"
        assert running.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("ai", "name", "value"),
    [
        ("openai", "ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("openai", "http_proxy", "http://ada:secret@proxy:port"),
        ("openai", "SSL_CERT_FILE", "/nowhere/at/all"),
        ("ollama", "NO_PROXY", "[::1]"),
    ],
)
def test_serve_ignores_malformed_proxy_variables(
    ai: str, name: str, value: str
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    asked = {"OLLAMA_HOST": nobody, "OPENAI_BASE_URL": nobody}
    said = {"HTTPS_PROXY": nobody, name: value}
    with start(CHAT, AI=ai, **asked, **said) as running:
        assert running.get("/chats/hello-world").status == 200
        running.stop()
        (line,) = running.errors().splitlines()
    assert line.startswith(f"WARNING ai: {name} is ignored: ")
    assert "secret" not in line


def test_serve_listens_at_an_ipv6_address() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("This machine has no IPv6.")
    with start(SHELL, HOST="::1") as running:
        address = ("::1", running.port)
        with socket.create_connection(address, PATIENCE) as bare:
            host = f"[::1]:{running.port}"
            bare.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert bare.recv(15) == b"HTTP/1.1 200 OK"


def test_serve_exits_without_an_error_on_ctrl_c() -> None:
    with start(SHELL) as running:
        assert running.get("/healthz").status == 200
        assert running.stop(signal.SIGINT) == 0
        assert running.errors() == ""


def ended_by_saving(file: Path, guest: WebSocketClient) -> int:
    """Save until it is noticed: at first the reloader does not look yet."""
    while True:
        file.touch()
        with suppress(TimeoutError, ConnectionClosed):
            guest.socket.recv(0.5)
        if guest.socket.close_code:
            return guest.socket.close_code


def next_line(running: ServerProcess) -> str:
    """Return the next line of the server's output."""
    assert running.process.stdout
    return running.process.stdout.readline()


@pytest.fixture
def copied(tmp_path: Path) -> Stage:
    """A copy of a stage and of what it needs, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("shared", "demo_02"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return Stage(2, tmp_path / "demo_02")


def test_supervisor_restarts_on_a_save_and_ignores_lock_files(
    copied: Stage,
) -> None:
    """Emacs locks a file by a link beside it that leads nowhere."""
    saved = copied.folder / "app.py"
    folders = [copied.folder, copied.folder / "ui", copied.folder / "party"]

    def lock(name: str) -> None:
        for folder in (*folders, copied.folder.parent / "shared/ui"):
            (folder / name).symlink_to("ada@house.1234:1796000000")

    for name in (".#app.py", ".#room.js", "gone.js"):
        lock(name)
    with start(copied, RELOAD="1", PORT=str(free_port())) as running:
        build = running.get("/build").text
        with running.join() as ada:
            ada.wait_for("history")
            for name in (".#home.py", ".#home.js", "gone.css"):
                lock(name)
            assert ended_by_saving(saved, ada) == 1012
            assert "demo_02 runs at" in next_line(running)
        assert running.get("/build").text.split()[0] == build.split()[0]
        with running.join() as ada:
            assert ada.next()["messages"] == []
            text = saved.read_text("utf-8").replace("All Chats", "Saved")
            saved.write_text(text, "utf-8")
            assert ended_by_saving(saved, ada) == 1012
            assert "demo_02 runs at" in next_line(running)
        assert "<h1>Saved</h1>" in running.get("/chats").text
        assert running.stop() == 0
        assert not re.search(r"\.#|gone", running.errors())


def files_of(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def server_of(running: ServerProcess) -> int:
    """The process that serves, which the reloader started last."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return int(children.split()[-1])


needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="there is no /proc here"
)


@needs_linux
def test_build_watcher_keeps_the_build_without_descriptors() -> None:
    with (
        start(ROOMS, RELOAD="1", PORT=str(free_port())) as running,
        running.join() as ada,
        ExitStack() as stack,
    ):
        ada.wait_for("history")
        build, pid = running.get("/build").text, server_of(running)
        most = files_of(pid) + 10
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        sockets = [
            stack.enter_context(running.connected()) for _ in range(most)
        ]
        for bare in sockets:
            with suppress(OSError):  # it was let in, and closed at once
                bare.sendall(HANDSHAKE % b"/parties/chatroom/hello-world")
        while files_of(pid) < most:
            time.sleep(0.01)
        with pytest.raises(TimeoutError):  # until the files were looked at
            ada.next(3 * CHECK_INTERVAL)
        stack.close()
        while files_of(pid) > most - 5:
            time.sleep(0.01)
        assert running.get("/build").text == build
        assert running.errors() == ""


@needs_linux
@pytest.mark.parametrize(("hard", "lines"), [(512, 1), (1024, 0)])
def test_serve_raises_the_descriptor_limit_or_warns(
    hard: int, lines: int
) -> None:
    python = shlex.quote(sys.executable)
    limits = f"ulimit -Sn 256 && ulimit -Hn {hard}"
    limited = f"{limits} && exec {python} -m shared.serve demo_01"
    with subprocess.Popen(
        ["bash", "-c", limited],
        cwd=ROOT,
        env=environment({"PORT": str(free_port())}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as server:
        assert server.stdout
        assert "runs at" in server.stdout.readline()
        found = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        server.terminate()
        _, said = server.communicate()
    assert found == (hard, hard)
    assert said.count("\n") == lines
    assert said == "" or f"Only {hard} files may be open" in said
