"""Find what would keep a demo from running, before anybody watches.

    make doctor

It installs nothing and changes nothing. Each error is followed by the command
that fixes it; the exit status is 1 if a demo would not run. It needs nothing
but Python itself. Checks that need packages run in .venv's Python, once that is
there: see tools/doctor_checks.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.web.traceback_summary import escape_unprintable

from . import setup
from .doctor_machine import (
    check_descriptors,
    check_disk,
    check_network,
    check_port,
    check_python,
)
from .finding import (
    DEMO,
    REINSTALL,
    Finding,
    note,
    ok,
    output_of,
    run,
    seconds_left,
    wrong,
)

LOCKS = ["requirements/base.txt", "requirements/ai.txt"]
COLOURS = {"ok": "32", "note": "33", "WRONG": "31;1"}


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
    """Return all findings, in the order in which a demo would fail."""
    python = check_python()
    if python.level == "WRONG":
        return [python]
    # These two wait for other processes, so they run at the same time.
    with ThreadPoolExecutor() as pool:
        node = pool.submit(check_node)
        start = pool.submit(check_start)
        settings, told = ask_the_app()
        # With wrong settings, which are reported, it would not start.
        told += start.result() if settings else []
        return [
            python,
            check_packages(),
            node.result(),
            check_libraries(),
            *told,
            *([check_port(settings)] if settings else []),
            check_network(settings),
            check_disk(has_packages() and has_libraries()),
            check_descriptors(),
        ]


def check_packages() -> Finding:
    """Check that the lock files are installed, but for the local model's."""
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
    """Check npm, which installs the browser libraries."""
    npm = shutil.which("npm")
    if not npm:
        return ok("Node: none here, make setup brings one")
    version = output_of(npm, "--version")
    text = f"Node {output_of('node', '--version').lstrip('v')}, npm {version}"
    if re.match(r"[7-9]|\d\d", version):
        return ok(text)
    return (note if has_libraries() else wrong)(
        f"{text}: it takes npm 7 to install the browser libraries",
        "Install Node: https://nodejs.org/en/download",
    )


def check_libraries() -> Finding:
    """Check that the libraries are installed as the lock file lists them."""
    if not has_libraries():
        return wrong("browser libraries: not as in the lock file", "make setup")
    listed = json.loads((setup.ROOT / "package.json").read_text("utf-8"))
    for name in listed["dependencies"]:
        if not (setup.NODE_MODULES / name / "package.json").exists():
            mend = REINSTALL.format("node_modules")
            return wrong(f"browser libraries: {name} is gone", mend)
    return ok("browser libraries")


def has_libraries() -> bool:
    stamp = setup.read(setup.NODE_MODULES / setup.NODE_STAMP)
    return stamp.get("lock") == setup.digest(*setup.NODE_LOCKS)


def ask_the_app() -> tuple[dict[str, Any], list[Finding]]:
    """Return the app's settings, and its findings about itself."""
    if not has_packages():
        return read_settings(), []
    result = run(str(setup.PYTHON), "-m", "tools.doctor_checks")
    settings, *told = [json.loads(line) for line in result.lines] or [{}]
    findings = [Finding(*each) for each in told]
    if result.status is None:
        late = "AI: it could not be told in time whether it would answer"
        findings.append(note(late, f"{DEMO} AI=local"))
    elif result.status != 0:
        broken = "No module named" in result.error
        mend = REINSTALL.format(".venv") if broken else DEMO
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
    """Return the settings of the address, without the app's packages."""
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


if __name__ == "__main__":
    main()
