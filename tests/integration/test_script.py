"""The demo script: it fits ten minutes, and names what there is."""

import re

import pytest

from tools.demo_script import read_script

from ..conftest import STAGES
from ..support.server_process import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SCRIPT = README.partition("## The demo script")[2].partition("\n## ")[0]
PARTS = read_script()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
DRAWING = ARCHITECTURE.partition("## The way of a message")[2].split("```")[1]
DRAWING = re.sub(r"\S+/\S+", "", DRAWING)

MAX_WORDS = 1_300
"""The words that fit into ten minutes."""


def test_script_fits_ten_minutes() -> None:
    spoken = re.findall(r"^>(.*)", SCRIPT, re.MULTILINE)
    assert 600 < len(" ".join(spoken).split()) <= MAX_WORDS
    marks = [part.mark for part in PARTS]
    assert marks[0] == 0
    assert marks == sorted(set(marks))
    assert marks[-1] < 600


def test_script_has_every_stage_and_an_end() -> None:
    titles = [part.title for part in PARTS]
    wanted = [f"Stage {stage.level}: " for stage in STAGES]
    assert len(titles) == len(wanted) + 1
    assert all(map(str.startswith, titles, wanted))


@pytest.mark.parametrize("level", [stage.level for stage in STAGES])
def test_script_stage_has_all_that_a_presenter_needs(
    level: int,
) -> None:
    """One file to open, something for the audience, and a way out."""
    text = PARTS[level - 1].text
    (opened,) = re.findall(r"^\*\*Open\*\* `([^`]+)`: `(\w+)`", text, re.M)
    assert opened[0].startswith(f"demo_{level:02}/")
    assert opened[1] in (ROOT / opened[0]).read_text("utf-8")
    assert len(re.findall(r"^\*\*The audience\*\* ", text, re.M)) == 1
    assert re.findall(r"^\*If .+", text, re.M)


def test_architecture_drawing_names_existing_functions() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("shared", *(stage.folder.name for stage in STAGES))
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".js")
    )
    names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|\b[a-z]+[A-Z]\w+", DRAWING))
    names |= set(re.findall(r"\b[A-Z]\w+\.(\w+)\b", DRAWING))
    names |= set(re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", DRAWING))
    assert len(names) > 15
    made = r"(?:def |class |function |import { |const \[\w+, )"
    lost = {each for each in names if not re.search(rf"{made}{each}\b", code)}
    assert not lost
