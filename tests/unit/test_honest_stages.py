"""The stages differ in what is declared, and in nothing else."""

import ast
import re

import pytest

from tools.stages import (
    MAX_DELETED,
    README,
    ROOT,
    STEPS,
    diff_folders,
    files,
    folder,
    written,
)

ALL = [1, *STEPS]
LONGEST, LONGEST_MAPPED, WIDEST = 120, 250, 80


@pytest.mark.parametrize("level", STEPS)
def test_a_step_changes_what_is_declared_and_nothing_else(level: int) -> None:
    found = list(diff_folders(folder(level - 1), folder(level)))
    actual = {(each.kind, each.name) for each in found}
    step = STEPS[level]
    declared = {("adds", name) for name in step.adds} | {
        ("changes", name) for name in step.changes
    }
    assert actual == declared


@pytest.mark.parametrize("level", STEPS)
def test_a_step_stays_within_its_budget(level: int) -> None:
    found = list(diff_folders(folder(level - 1), folder(level)))
    added = sum(each.added for each in found)
    deleted = sum(each.deleted for each in found)
    assert added <= STEPS[level].max_added
    assert deleted <= MAX_DELETED


def test_every_stage_is_declared() -> None:
    folders = {each.name for each in ROOT.glob("demo_0*")}
    assert folders == {folder(level).name for level in ALL}


@pytest.mark.parametrize("level", ALL)
def test_a_stage_imports_no_other_stage(level: int) -> None:
    for name, text in files(folder(level)).items():
        for imported in imports(name, text):
            assert not re.match(r"(\.\./)*demo_|\.\.[a-z]", imported), name
            assert ".." not in imported.removeprefix("../"), name


def imports(name: str, text: str) -> list[str]:
    """Return the imports of a Python file or a browser module."""
    if name.endswith(".js"):
        return re.findall(r'from "([^"]+)"', text)
    if not name.endswith(".py"):
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        if isinstance(node, ast.ImportFrom):
            found.append("." * node.level + (node.module or ""))
    return found


@pytest.mark.parametrize("level", ALL)
def test_a_stage_is_named_in_its_apps_docstring_alone(level: int) -> None:
    for name, text in files(folder(level)).items():
        if name == "app.py":
            first, _, text = text.partition("\n")
            assert first.startswith(f'"""Stage {level}: ')
        assert not re.search(r"(?i)demo[-_ ]?0\d|\bstage\b", text), name


@pytest.mark.parametrize("level", ALL)
def test_every_file_of_a_stage_fits_a_projector(level: int) -> None:
    for name, text in files(folder(level)).items():
        assert fits(text), name


def test_every_shared_file_of_the_script_fits_a_projector() -> None:
    """The script and the stages' READMEs name what is opened on a stage.

    The map of the architecture names more: files of at most 250 lines.
    """
    architecture = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    readme = README.read_text("utf-8")
    script = re.findall(r"(?s)\n## The demo script\n.*?\n## ", readme)
    assert len(script) == 1
    texts = script
    texts += [(folder(n) / "README.md").read_text("utf-8") for n in ALL]
    code = r"`(shared/[\w/]+\.(?:py|js|html|css))`"
    opened = set(re.findall(code, "\n".join(texts)))
    assert "shared/party/server.py" in opened
    for name in opened | set(re.findall(code, architecture)):
        text = (ROOT / name).read_text("utf-8")
        assert fits(text, LONGEST if name in opened else LONGEST_MAPPED), name


def fits(text: str, longest: int = LONGEST) -> bool:
    """Whether a text has so many lines at most, of at most 80 columns."""
    lines = text.splitlines()
    return len(lines) <= longest and all(len(each) <= WIDEST for each in lines)


def test_the_class_to_subclass_fits_a_projector() -> None:
    text = (ROOT / "shared/party/server.py").read_text("utf-8")
    assert fits(text)


def test_what_is_shared_knows_no_stage() -> None:
    for path in sorted((ROOT / "shared").rglob("*.*")):
        if path.suffix in (".py", ".js", ".html", ".css"):
            text = path.read_text("utf-8")
            assert not re.search(r"demo_?0\d", text), path


def test_the_readme_has_the_table_of_the_stages() -> None:
    """`python -m tools.stages --write` writes it."""
    readme = README.read_text("utf-8")
    assert readme == written(readme)


def test_each_test_that_the_table_of_failures_names_exists() -> None:
    table = (ROOT / "docs" / "failures.md").read_text("utf-8")
    texts = [
        each.read_text("utf-8") for each in ROOT.glob("tests/**/test_*.py")
    ]
    there = set(re.findall(r"def (test_\w+)", "\n".join(texts)))
    named = set(re.findall(r"`(test_\w+)`", table))
    assert named
    assert named <= there, named - there
