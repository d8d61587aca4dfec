"""Check the behaviours of a folder: `python -m tools.check 03 [FOLDER]`.

It runs the stages' tests against the folder, by default `my_demo`. Instead of a
stage's number, it takes the name of an exercise in tests/exercises.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from shared.web.traceback_summary import summarize_traceback

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
NEWEST = 5
PATIENCE = "2"
"""Seconds that tests wait for an event; with `make test` they wait longer."""


def main() -> None:
    """Check, and end with status 0 if nothing is left to do."""
    what, folder = [*sys.argv[1:], "", ""][:2]
    sys.exit(check(what, Path(folder or "my_demo").resolve()))


def check(what: str, folder: Path) -> int | str:
    """Print a line for each behaviour; return an exit status or an error."""
    files, level = files_for(what)
    if not files:
        return f"There is no check-{what}. `make` lists what there is."
    if not (folder / "app.py").exists():
        return f"There is no {folder.name} yet: make start-{level:02} makes it."
    os.environ.setdefault("PATIENCE", PATIENCE)  # before the tests read it
    os.environ.pop("CI", None)  # there, a missing browser is a failure
    from .report import Report

    if problem := does_not_start(folder):
        return problem
    report = Report(folder)
    options = ["-p", "no:terminal", "-p", "no:cacheprovider"]
    options += ["-o", "addopts=--strict-markers", "--timeout", "30"]
    # Named, as pytest looks for it in the parents of `folder`, too.
    options += ["-c", str(ROOT / "pyproject.toml")]
    options += ["-m", "behaviour", f"--rootdir={ROOT}"]
    options += ["--app", str(folder), "--level", str(level)]
    pytest.main([*options, *map(str, files)], plugins=[report])
    return report.end()


def files_for(what: str) -> tuple[list[Path], int]:
    """Return the test files, and the stage to run them for."""
    exercise = TESTS / "exercises" / f"test_{what}.py"
    if exercise.exists():
        return [exercise], NEWEST
    if not re.fullmatch(f"0?[2-{NEWEST}]", what):
        return [], 0
    files = sorted(TESTS.glob("*/test_*.py"))
    files = [each for each in files if each.parent.name != "exercises"]
    marked = [each for each in files if "mark.behaviour(" in text_of(each)]
    return marked, int(what)


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def does_not_start(folder: Path) -> str:
    """Return why the folder's app does not start; empty if it does."""
    from tests.support.server_process import Stage, start

    try:
        with start(Stage(NEWEST, folder)):
            return ""
    except AssertionError as error:
        *_, last = str(error).strip().splitlines()
        return summarize_traceback(str(error), folder) or last


if __name__ == "__main__":
    main()
