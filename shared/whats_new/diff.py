"""Compare the files of two folders, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from filecmp import cmp
from functools import cached_property
from pathlib import Path, PurePath
from typing import TypeAlias

from ..web.files import mtimes_in

MAX_SHOWN_CHARACTERS, MAX_SHOWN_LINES = 100_000, 2_000
"""Larger files are listed without their lines."""

Opcodes: TypeAlias = Sequence[tuple[str, int, int, int, int]]


@dataclass(frozen=True)
class FileDiff:
    """A file that differs between two folders, and its lines."""

    name: str
    kind: str
    old: list[str]
    new: list[str]
    problem: str = ""

    @cached_property
    def opcodes(self) -> Opcodes:
        """The opcodes of difflib from the old lines to the new ones."""
        matcher = SequenceMatcher(None, self.old, self.new, autojunk=False)
        return matcher.get_opcodes()

    @property
    def added(self) -> int:
        """The number of added lines."""
        return sum(m - k for tag, _, _, k, m in self.opcodes if tag != "equal")

    @property
    def deleted(self) -> int:
        """The number of deleted lines; a changed line counts as both."""
        return sum(j - i for tag, i, j, _, _ in self.opcodes if tag != "equal")

    @property
    def remark(self) -> str:
        """The reason if there are no lines to show, or ""."""
        if self.problem or self.added or self.deleted:
            return self.problem
        if self.kind == "changes":
            return "The differences are invisible, such as line ends."
        return "It is empty."


def diff_folders(old: Path, new: Path) -> Iterator[FileDiff]:
    """Yield each file that differs in any byte."""
    before, after = stage_files(old), stage_files(new)
    for name in sorted(before | after):
        kind = "adds" if name not in before else "changes"
        kind = kind if name in after else "removes"
        if kind == "changes" and have_same_bytes(old / name, new / name):
            continue
        try:
            yield FileDiff(
                name, kind, read_lines(old / name), read_lines(new / name)
            )
        except ValueError as error:
            yield FileDiff(name, kind, [], [], str(error))


def stage_files(folder: Path) -> set[str]:
    """Return the names of a stage's files, without its README."""
    found = map(PurePath, mtimes_in(folder, ("",)))
    return {path.as_posix() for path in found if not is_excluded(path)}


def is_excluded(path: PurePath) -> bool:
    """Whether a file is a cache or a README."""
    return "__pycache__" in path.parts or path.name == "README.md"


def have_same_bytes(one: Path, two: Path) -> bool:
    """Whether two files have the same bytes; False if one is unreadable."""
    try:
        return cmp(one, two, shallow=False)
    except OSError:
        return False


def read_lines(path: Path) -> list[str]:
    """Return a file's lines, none if it does not exist.

    Raises ValueError with the reason if they cannot be shown.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_SHOWN_CHARACTERS + 1)
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise ValueError("It is not text.") from None
    except OSError as error:
        raise ValueError(f"It cannot be read: {error.strerror}.") from None
    found = text.removesuffix("\n").split("\n") if text else []
    if "\0" in text:
        raise ValueError("It is not text.")
    if len(text) > MAX_SHOWN_CHARACTERS or len(found) > MAX_SHOWN_LINES:
        raise ValueError("It is too long to be shown.")
    return found
