"""The findings of `make doctor`, and the commands that it runs to find it."""

from __future__ import annotations

import json
import subprocess
import time
from typing import NamedTuple

from . import setup

DEMO = "make demo-03"
REINSTALL = "rm -rf {} && make setup"

MAX_SECONDS = 4.0
"""Seconds that all commands together may take."""

STARTED = time.monotonic()


class Finding(NamedTuple):
    """A result of a check, and the commands that fix what is wrong."""

    level: str
    text: str
    mends: list[str]


def ok(text: str) -> Finding:
    return Finding("ok", text, [])


def note(text: str, *mends: str) -> Finding:
    return Finding("note", text, list(mends))


def wrong(text: str, *mends: str) -> Finding:
    return Finding("WRONG", text, list(mends))


class Result(NamedTuple):
    """The result of a command; without a status, it took too long."""

    status: int | None
    lines: list[str]
    error: str


def seconds_left() -> float:
    """Return for how long a command may still run."""
    return max(0.5, MAX_SECONDS - (time.monotonic() - STARTED))


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
    errors = done.stderr.decode(errors="replace").strip().splitlines()
    lines = done.stdout.decode(errors="replace").splitlines()
    return Result(done.returncode, lines, errors[-1] if errors else "")


def output_of(*command: str) -> str:
    """Return the output of a command; empty if it fails."""
    result = run(*command)
    return "\n".join(result.lines) if result.status == 0 else ""


def print_json(*lines: object) -> None:
    """Print each line as JSON, at once."""
    for line in lines:
        print(json.dumps(line), flush=True)
