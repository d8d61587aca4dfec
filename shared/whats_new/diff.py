"""Which files are not the same in two folders, and which of their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from filecmp import cmp
from functools import cached_property
from pathlib import Path, PurePath
from typing import TypeAlias

from ..web.files import mtimes_in

MAX_SHOWN_CHARACTERS, MAX_SHOWN_LINES = 100_000, 2_000
"""Characters and lines that a file may have, to be shown."""

Opcodes: TypeAlias = Sequence[tuple[str, int, int, int, int]]


@dataclass(frozen=True)
class FileDiff:
    """One file that is not the same in both folders, and its lines."""

    name: str
    kind: str
    old: list[str]
    new: list[str]
    problem: str = ""

    @cached_property
    def opcodes(self) -> Opcodes:
        """The way from the old lines to the new ones, as difflib tells it."""
        matcher = SequenceMatcher(None, self.old, self.new, autojunk=False)
        return matcher.get_opcodes()

    @property
    def added(self) -> int:
        """How many lines came."""
        return sum(m - k for tag, _, _, k, m in self.opcodes if tag != "equal")

    @property
    def deleted(self) -> int:
        """How many lines went; one that changed came and went."""
        return sum(j - i for tag, i, j, _, _ in self.opcodes if tag != "equal")

    @property
    def remark(self) -> str:
        """What there is to say where there are no lines to show."""
        if self.problem or self.added or self.deleted:
            return self.problem
        if self.kind == "changes":
            return "What differs cannot be seen: line ends, for one."
        return "It is empty."


def diff_folders(old: Path, new: Path) -> Iterator[FileDiff]:
    """Each file that is not the same, byte for byte, in both folders."""
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
    """The files in a folder that a stage consists of, its README apart."""
    found = map(PurePath, mtimes_in(folder, ("",)))
    return {path.as_posix() for path in found if not is_excluded(path)}


def is_excluded(path: PurePath) -> bool:
    """Tell whether a file is no part of what a stage teaches."""
    return "__pycache__" in path.parts or path.name == "README.md"


def have_same_bytes(one: Path, two: Path) -> bool:
    """Whether two files hold the same bytes, as far as can be told."""
    try:
        return cmp(one, two, shallow=False)
    except OSError:
        return False


def read_lines(path: Path) -> list[str]:
    """The lines of a file, none where there is none.

    A ValueError says why they cannot be shown.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_SHOWN_CHARACTERS + 1)
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise ValueError("It is no text.") from None
    except OSError as error:
        raise ValueError(f"It cannot be read: {error.strerror}.") from None
    found = text.removesuffix("\n").split("\n") if text else []
    if "\0" in text:
        raise ValueError("It is no text.")
    if len(text) > MAX_SHOWN_CHARACTERS or len(found) > MAX_SHOWN_LINES:
        raise ValueError("It is too long to be shown.")
    return found
