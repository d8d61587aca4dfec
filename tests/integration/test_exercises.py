"""The workshop's plan, and the exercises that go beyond the script."""

import re
from pathlib import Path

import pytest

from ..conftest import STAGES
from ..exercises.solutions import contents, solutions, unpack
from ..support.server_process import ROOT
from .test_check import NO_BROWSER, check, copy, found

WORKSHOP = ROOT / "docs" / "workshop.md"
EXERCISES = ("who", "typing", "stop")

SOLVED = {
    "who-2": {"done"},
    "typing-2": {"done"},
    "stop-3": {"done", "left out"},
}
"""Right solutions, in the first stage that can have them: what they come to."""

WRONG = {
    "who-5-wrong": [
        "Two tabs of one name are one, until both are closed",
        "Who comes back under the same id was never away",
    ],
    "typing-5-wrong": [
        "It ends when they send what they wrote",
        "It ends when they leave",
    ],
    "stop-5-silent": ["A model that has gone silent is stopped as well"],
    "stop-5-all": ["The question that waits is answered"],
}
"""Typical mistakes in the last stage, and the lines that report them."""


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


# The workshop


def test_the_plan_fills_two_hours() -> None:
    row = r"^\| (\d):(\d\d) \| (\d+) \|"
    passed = 0
    for hour, minute, length in re.findall(row, text_of(WORKSHOP), re.M):
        assert int(hour) * 60 + int(minute) == passed
        passed += int(length)
    assert passed == 120


# The exercises


def test_no_search_comes_upon_a_solution() -> None:
    known = "\n".join(
        "".join(contents(folder).values())
        for folder in (ROOT / "shared", *(each.folder for each in STAGES))
    )
    texts = [text_of(path) for path in (ROOT / "docs").rglob("*.md")]
    texts += contents(ROOT / "tests/exercises").values()
    told = "\n".join(texts)
    for files in solutions().values():
        lines = map(str.strip, "\n".join(files.values()).splitlines())
        new = {each for each in lines if len(each) > 30 and each not in known}
        assert [each for each in new if each in told] == []


def test_each_solution_is_tried() -> None:
    assert {*SOLVED, *WRONG} == solutions().keys()


def outcomes(what: str, lines: list[str]) -> dict[str, str]:
    """Return a check's result for each behaviour of an exercise."""
    tests = text_of(ROOT / f"tests/exercises/test_{what}.py")
    names = re.findall(r'mark\.behaviour\(\s*"([^"]+)"', tests)
    results = found(lines)[0]
    assert results.keys() == set(names)
    return results


@pytest.mark.soak
@pytest.mark.parametrize("what", EXERCISES)
def test_a_stage_has_of_an_exercise_only_what_is_to_stay(
    what: str, tmp_path: Path
) -> None:
    status, lines = check(what, copy(5, tmp_path), PATIENCE="3")
    assert status == 1
    for name, outcome in outcomes(what, lines).items():
        still = name.startswith("Still: ")
        assert outcome == ("done" if still else "todo"), name


@pytest.mark.soak
@pytest.mark.parametrize("name", SOLVED)
def test_a_solution_has_it_all(name: str, tmp_path: Path) -> None:
    unpack(name, tmp_path / "my_demo")
    what = name.split("-")[0]
    status, lines = check(what, tmp_path / "my_demo", PATIENCE="5")
    assert status == 0, "\n".join(lines)
    assert {*outcomes(what, lines).values()} == SOLVED[name]


@pytest.mark.soak
@pytest.mark.parametrize("name", WRONG)
def test_what_people_get_wrong_is_said_in_lines_of_its_own(
    name: str, tmp_path: Path
) -> None:
    unpack(name, tmp_path / "my_demo")
    what = name.split("-")[0]
    environment = {"PATIENCE": "3", **NO_BROWSER}
    status, lines = check(what, tmp_path / "my_demo", **environment)
    assert status == 1
    results = outcomes(what, lines)
    assert [each for each in results if results[each] == "todo"] == WRONG[name]
