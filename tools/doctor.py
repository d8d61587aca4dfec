"""Find what would keep a demo from running, before anybody watches.

    make doctor

It installs nothing and changes nothing. Below what is wrong stands the
command that mends it; the exit status is 1 if a demo would not run. It needs
nothing but Python itself; what the app would do, it asks .venv's Python, once
that is there: see tools/patient.py.
"""

from __future__ import annotations

import errno
import glob
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from shared.web.traceback_summary import escape_unprintable

from . import setup

DEMO = "make demo-03"
LOCKS = ["requirements/base.txt", "requirements/ai.txt"]
WHOLE_AGAIN = "rm -rf {} && make setup"

MOST_SECONDS = 4.0
"""After which nobody is waited for any more."""

MEGABYTES = 300
"""What an installation takes, and some room."""

COLOURS = {"ok": "32", "note": "33", "WRONG": "31;1"}

BEGUN = time.monotonic()


class Finding(NamedTuple):
    """How something is, and the commands that mend it."""

    level: str
    text: str
    mends: list[str]


def ok(text: str) -> Finding:
    return Finding("ok", text, [])


def note(text: str, *mends: str) -> Finding:
    return Finding("note", text, list(mends))


def wrong(text: str, *mends: str) -> Finding:
    return Finding("WRONG", text, list(mends))


def main() -> None:
    findings = examine()
    for finding in findings:
        show(finding)
    levels = [finding.level for finding in findings]
    if count := levels.count("WRONG"):
        things = "thing" if count == 1 else "things"
        print(f"A demo would not run: {count} {things} to mend.")
        sys.exit(1)
    notes = " But read the notes." if "note" in levels else ""
    print(f"A demo would run.{notes}")


def show(finding: Finding) -> None:
    """Print a line, and a line for each command."""
    level = finding.level.ljust(5)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        level = f"\033[{COLOURS[finding.level]}m{level}\033[0m"
    print(level, escape_unprintable(finding.text))
    for mend in finding.mends:
        print(f"        {escape_unprintable(mend)}")


def examine() -> list[Finding]:
    """All that can be told, in the order in which a demo would fail."""
    python = check_python()
    if python.level == "WRONG":
        return [python]
    # These two wait for others: at the same time.
    with ThreadPoolExecutor() as pool:
        node = pool.submit(check_node)
        start = pool.submit(check_start)
        settings, told = ask_the_app()
        # With wrong settings, which have been told, it would not start.
        told += start.result() if settings else []
        return [
            python,
            check_packages(),
            node.result(),
            check_libraries(),
            *told,
            *([check_port(settings)] if settings else []),
            check_network(settings),
            check_disk(),
            check_descriptors(),
        ]


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):  # noqa: UP036
        return ok(f"Python {version}")
    text = f"Python {version}: Party Chat needs 3.11 or later"
    for minor in range(20, 10, -1):
        name = f"python3.{minor}"
        if said(name, "--version"):
            return wrong(text, f"{DEMO} PYTHON={name}")
    return wrong(text, "Install it: https://www.python.org/downloads/")


def check_packages() -> Finding:
    """What the lock files list; the local model is the AI's affair."""
    if not setup.has_venv():
        pip = importlib.util.find_spec("ensurepip") or shutil.which("uv")
        mends = [] if pip else ["sudo apt install python3-venv"]
        text = "Python packages: .venv is missing, or has moved"
        return wrong(text, *mends, "make setup")
    missing = [lock for lock in LOCKS if not setup.installed(lock)]
    if missing:
        text = f"Python packages: not what {' and '.join(missing)} lists"
        return wrong(text, "make setup")
    return ok("Python packages")


def check_node() -> Finding:
    """Only npm is of use, and only to install the browser libraries."""
    npm = shutil.which("npm")
    if not npm:
        return ok("Node: none here, make setup brings one")
    version = said(npm, "--version")
    text = f"Node {said('node', '--version').lstrip('v')}, npm {version}"
    if re.match(r"[7-9]|\d\d", version):
        return ok(text)
    return (note if has_libraries() else wrong)(
        f"{text}: it takes npm 7 to install the browser libraries",
        "Install Node: https://nodejs.org/en/download",
    )


def check_libraries() -> Finding:
    """All that package.json lists, and of the lock file's versions."""
    if not has_libraries():
        return wrong("browser libraries: not as in the lock file", "make setup")
    listed = json.loads((setup.ROOT / "package.json").read_text("utf-8"))
    for name in listed["dependencies"]:
        if not (setup.NODE_MODULES / name / "package.json").exists():
            mend = WHOLE_AGAIN.format("node_modules")
            return wrong(f"browser libraries: {name} is gone", mend)
    return ok("browser libraries")


def has_libraries() -> bool:
    stamp = setup.read(setup.NODE_MODULES / setup.NODE_STAMP)
    return stamp.get("lock") == setup.digest(*setup.NODE_LOCKS)


def ask_the_app() -> tuple[dict[str, Any], list[Finding]]:
    """Where it would listen, and what else it says of itself."""
    if not has_packages():
        return read_settings(), []
    result = run(str(setup.PYTHON), "-m", "tools.patient")
    settings, *told = [json.loads(line) for line in result.lines] or [{}]
    findings = [Finding(*each) for each in told]
    if result.status is None:
        late = "AI: it could not be told in time whether it would answer"
        findings.append(note(late, f"{DEMO} AI=local"))
    elif result.status != 0:
        broken = "No module named" in result.error
        mend = WHOLE_AGAIN.format(".venv") if broken else DEMO
        findings.append(wrong(f"the app breaks: {result.error}", mend))
    return settings, findings


def check_start() -> list[Finding]:
    """Start the app as DEMO does, on a free port, and end it at once."""
    if not has_packages():
        return []
    here = {
        "PORT": "0",
        "HOST": "127.0.0.1",
        "RELOAD": "0",
        "GRACEFUL_TIMEOUT": "0",
    }
    with subprocess.Popen(
        [str(setup.PYTHON), "-m", "shared.serve", "demo_03"],
        cwd=setup.ROOT,
        env={**os.environ, **here, "STORE": "memory"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as app:
        late = threading.Timer(seconds_left(), app.kill)
        late.start()
        assert app.stdout
        runs = b" runs at " in app.stdout.readline()
        app.terminate()
        errors = app.communicate()[1].decode(errors="replace").splitlines()
        in_time = late.is_alive()
        late.cancel()
    if runs:
        return [ok("app: demo_03 starts")]
    if not in_time:
        return [note("app: it did not start in time", DEMO)]
    return [wrong(f"the app breaks: {(errors or [''])[-1]}", DEMO)]


def has_packages() -> bool:
    return setup.has_venv() and all(map(setup.installed, LOCKS))


def read_settings() -> dict[str, Any]:
    """Where it would listen, as far as nothing is installed to tell."""
    from . import deploy  # it breaks on Python 3.8

    env: dict[str, str] = {}
    with suppress(OSError, ValueError):
        file = os.environ.get("ENV_FILE") or setup.ROOT / ".env"
        env = deploy.read_env(Path(file))
    env.update({name: value for name, value in os.environ.items() if value})
    port = env.get("PORT", "1999")
    if not re.fullmatch("[0-9]{1,5}", port):
        return {}
    host = env.get("HOST", "")
    return {
        "host": host if re.fullmatch(r"[0-9a-f.:]+", host) else "127.0.0.1",
        "port": int(port),
        "public_url": env.get("PUBLIC_URL", ""),
    }


def check_port(settings: dict[str, Any]) -> Finding:
    """Whether the app can listen there, or who does instead."""
    host, port = settings["host"], settings["port"]
    try:
        bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text, mend = who_listens(port)
            return wrong(f"port: {host}:{port} is taken by {text}", mend)
        low = error.errno == errno.EACCES
        mend = another_port() if low else f"{DEMO} HOST=127.0.0.1"
        text = f"port: {host}:{port} cannot be used: {error.strerror}"
        return wrong(text, mend)
    return ok(f"port: {host}:{port} is free")


def bind(host: str, port: int) -> None:
    """Do what the app does to listen, and let go of it at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))


def another_port() -> str:
    """The command that takes a port which is free."""
    for port in range(2000, 2100):
        with suppress(OSError):
            bind("0.0.0.0", port)
            break
    return f"{DEMO} PORT={port}"


def who_listens(port: int) -> tuple[str, str]:
    """Who has a port, and the command that gets around it."""
    pids = listeners(port)
    for pid in pids:
        told = said("ps", "-ww", "-o", "ppid=,args=", "-p", str(pid))
        parent, _, command = told.strip().partition(" ")
        # A server that reloads has two; the parent ends the child.
        if parent not in map(str, pids):
            ours = re.search(r"shared\.serve|tools\.present", command) or (
                "python" in command and runs_here(pid)
            )
            mend = f"kill {pid}" if ours else another_port()
            return f"process {pid} ({command.strip()[:80]})", mend
    return "a process that is not yours", another_port()


def runs_here(pid: int) -> bool:
    """Whether a process was started in this folder, as far as can be told."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd") == str(setup.ROOT)
    return False


def listeners(port: int) -> list[int]:
    """The processes that hold a socket listening on a port."""
    if not os.path.exists("/proc/net/tcp"):
        # As on a Mac.
        found = said("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t")
        return sorted(map(int, found.split()))
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (
                Path("/proc/net", table).read_text("utf-8").splitlines()
            ):
                _, address, _, state, *more = line.split()
                if state == "0A" and address.endswith(f":{port:04X}"):
                    sockets.add(f"socket:[{more[5]}]")
    pids = set()
    for entry in glob.glob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(entry) in sockets:
                pids.add(int(entry.split("/")[2]))
    return sorted(pids)


def check_network(settings: dict[str, Any]) -> Finding:
    """Where phones would find the app."""
    from shared.presenter.lan import lan_address

    if url := settings.get("public_url"):
        return ok(f"network: others find the app at {url}")
    if address := lan_address():
        return ok(f"network: with LAN=1, others find this machine at {address}")
    return note(
        "network: others cannot find this machine. Join a Wi-Fi, or a tunnel:",
        f"{DEMO} PUBLIC_URL=https://party.example.org",
    )


def check_disk() -> Finding:
    free = shutil.disk_usage(setup.ROOT).free // 1_000_000
    if free >= MEGABYTES:
        return ok(f"disk: {free / 1000:.1f} GB free")
    level = note if has_packages() and has_libraries() else wrong
    text = f"disk: {free} MB free, and an installation takes {MEGABYTES}"
    pip = f"{sys.executable} -m pip cache purge"
    return level(text, "uv cache clean" if shutil.which("uv") else pip)


def check_descriptors() -> Finding:
    """How many people the limit of open files lets in."""
    from shared.file_descriptors import MIN_PEOPLE, people_within, raise_limit

    limit = raise_limit()  # as the app does
    people = people_within(limit)
    text = f"open files: {limit:,}, enough for {people:,} people"
    if people >= MIN_PEOPLE:
        return ok(text)
    if shutil.which("prlimit"):
        return note(text, "sudo prlimit --nofile=65536 --pid $$")
    return note(text, "sudo launchctl limit maxfiles 65536 65536")


class Result(NamedTuple):
    """How a command ended; without a status, it took too long."""

    status: int | None
    lines: list[str]
    error: str


def seconds_left() -> float:
    """Return for how long a command may still run."""
    return max(0.5, MOST_SECONDS - (time.monotonic() - BEGUN))


def run(*command: str) -> Result:
    """Run a command, for as long as there is time."""
    try:
        done = subprocess.run(
            command,
            cwd=setup.ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds_left(),
        )
    except subprocess.TimeoutExpired as late:
        return Result(None, (late.stdout or b"").decode().splitlines(), "")
    except OSError as error:
        return Result(127, [], str(error))
    said = done.stderr.decode(errors="replace").strip().splitlines()
    lines = done.stdout.decode(errors="replace").splitlines()
    return Result(done.returncode, lines, said[-1] if said else "")


def said(*command: str) -> str:
    """What a command says; nothing, if it does not work."""
    result = run(*command)
    return "\n".join(result.lines) if result.status == 0 else ""


if __name__ == "__main__":
    main()
