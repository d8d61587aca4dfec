"""The commands, files and links that the documentation names exist."""

import re
from pathlib import Path

import pytest

from ..support.server_process import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("demo_0*/*.md"),
]
EXERCISES = ("who", "typing", "stop")


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_files_and_links_of_a_page_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    commands = re.findall(r"(?:`|^ *)(?:\w+=\S+ )*make ([\w-]+)", text, re.M)
    assert [each for each in commands if not is_target(each)] == []
    files = re.findall(r"`([\w.]+/[\w./]+)`", text)
    assert [each for each in files if not is_file(each, page)] == []
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    assert [each for each in links if not is_link(each, page)] == []


def is_target(command: str) -> bool:
    """Return whether make has a command."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z-]+%?):", makefile, re.M)
    name, _, what = command.rpartition("-")
    there = (ROOT / f"demo_{what}").exists() or what in EXERCISES
    return command in targets or (f"{name}-%" in targets and there)


def is_file(name: str, page: Path) -> bool:
    """Return whether a file is in the project, a stage or the page's folder."""
    name = re.sub("^(my_demo|demo_NN)/", "demo_05/", name)
    folders = ROOT, ROOT / "demo_05", page.parent
    return any((folder / name).exists() for folder in folders)


def is_link(link: str, page: Path) -> bool:
    """Return whether a relative link leads to a file, and to its heading."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)
    return anchor in {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-")
        for each in headings
    }
