"""Names and prose keep to a few rules that a program can check."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.server_process import ROOT

CHECKED = ["shared", "demo_0*", "tools", "tests"]

QUESTION = re.compile(r"\W*(what(?!.s new)|whatever|who|whoever|whose)\b", re.I)
"""Prose says what a thing is or does; it does not begin like a riddle."""

VAGUE = {"MOST", "KEPT", "OWN"}
"""MAX_, a noun or a file's name says which."""

SHARED_NAMES = {
    "main": "The entry point of each module that `python -m` runs.",
}
"""Public names that several modules of shared/ define, and why."""


def python_files(*folders: str) -> list[Path]:
    """Return the Python files below folders of the project."""
    return files(folders, "py")


def files(folders: tuple[str, ...], *suffixes: str) -> list[Path]:
    """Return the files with these suffixes below folders of the project."""
    return [
        path
        for pattern in folders
        for folder in sorted(ROOT.glob(pattern))
        for suffix in suffixes
        for path in sorted(folder.rglob(f"*.{suffix}"))
        if "node_modules" not in path.parts
    ]


def test_public_names_in_shared_are_unique() -> None:
    places = defaultdict(set)
    for path in python_files("shared"):
        for node in ast.parse(path.read_text("utf-8")).body:
            kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, kinds) and not node.name.startswith("_"):
                places[node.name].add(str(path.relative_to(ROOT)))
    shared = {name: each for name, each in places.items() if len(each) > 1}
    unexpected = {k: v for k, v in shared.items() if k not in SHARED_NAMES}
    assert not unexpected
    assert set(SHARED_NAMES) <= set(shared), "an exception is needed no more"


def test_no_constant_has_a_vague_name() -> None:
    found = []
    for path in files(("shared", "demo_0*", "tools", "tests"), "py", "js"):
        text = path.read_text("utf-8")
        names = re.findall(
            r"^\s*(?:export )?(?:const )?([A-Z][A-Z_0-9]+)\b"
            r"(?:: [^=\n]+)? = ",
            text,
            re.M,
        )
        names += re.findall(r"^\s*([A-Z][A-Z_0-9]+), .+ = ", text, re.M)
        where = path.relative_to(ROOT)
        found += [f"{where}: {n}" for n in names if VAGUE & {*n.split("_")}]
    assert not found


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each docstring and block of comments, with its line's number."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from docstrings(text)
        yield from python_comments(text)
    else:
        yield from js_comments(text)


def docstrings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the strings that are statements of their own."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(said))):
                yield node.lineno, said


def python_comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments; a line that goes on with one is left out."""
    before = (-1, -1)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            if (line - 1, column) != before:
                yield line, token.string.lstrip("#: ")
            before = line, column


def js_comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the beginnings of comments, and of what JSDoc tags describe."""
    before = -1
    for number, line in enumerate(text.splitlines(), 1):
        if comment := re.match(r"(?:.*\s)?//\s+(.*)", line):
            if number - 1 != before:
                yield number, comment[1]
            before = number
        elif comment := re.match(r"\s*/\*\*?\s*(.*)", line):
            yield number, comment[1] or text.splitlines()[number].strip(" *")


@pytest.mark.parametrize("folder", CHECKED)
def test_no_prose_begins_with_a_question_word(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in files((folder,), "py", "js", "mjs", "css")
        for line, text in prose(path)
        if QUESTION.match(text)
    ]
    assert not found, "\n".join(found)
