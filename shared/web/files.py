"""Files for browsers, kept in memory under the name of what is in them."""

import gzip
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

KINDS = (".js", ".mjs", ".css", ".svg")
GONE = -1
NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)
"""Errors that say that there is nothing to be read, now and later."""

Change = Callable[[str, bytes], bytes]
"""What a file becomes on its way out, by its name and what is in it."""


class File:
    """One of them: as it was when it was saved last."""

    def __init__(self, text: bytes, stamp: int) -> None:
        self.text = text
        self.stamp = stamp
        self.tag = short_name(text)

    @cached_property
    def packed(self) -> bytes:
        """The same, compressed."""
        return gzip.compress(self.text, mtime=0)


class Folder:
    """What browsers get from a folder: all of it, or what `only` lists.

    A file that was saved is read again, and `base`, which is where they are,
    is another one then. So what is at an address never changes.
    """

    def __init__(
        self,
        url: str,
        path: Path,
        only: Iterable[str] = (),
        change: Change = lambda name, text: text,
    ) -> None:
        self.url = url
        self.path = path
        self.only = list(only)
        self.change = change
        self.files: dict[str, File] = {}
        self.name = ""

    @property
    def base(self) -> str:
        """The address of the folder as it is now."""
        self.look()
        return f"{self.url}/{self.name}/"

    def get(self, name: str) -> File | None:
        """A file as it is now, if it is one of these."""
        known = self.files.get(name)
        if known is None or known.stamp != stamp(f"{self.path}/{name}"):
            self.look()
        return self.files.get(name)

    def look(self) -> None:
        """Read what was saved since the last look."""
        with suppress(OSError):  # a file may be gone before it is read
            found = self.found()
            if found == {name: each.stamp for name, each in self.files.items()}:
                return
            files = {name: self.read(name, at) for name, at in found.items()}
            tags = [f"{name} {each.tag}" for name, each in files.items()]
            name = short_name("\n".join(tags).encode())
            self.files, self.name = files, name

    def found(self) -> dict[str, int]:
        """When each of the files was saved."""
        if not self.only:
            return saved_in(self.path, KINDS)
        times = {name: stamp(f"{self.path}/{name}") for name in self.only}
        return {name: at for name, at in times.items() if at != GONE}

    def read(self, name: str, stamp: int) -> File:
        """A file as it is now, or as it is known."""
        known = self.files.get(name)
        if known and known.stamp == stamp:
            return known
        text = (self.path / name).read_bytes()
        return File(self.change(name, text), stamp)


def short_name(text: bytes) -> str:
    """What is named like this is the same."""
    return sha256(text).hexdigest()[:12]


def stamps(*folders: Path, kinds: tuple[str, ...]) -> dict[Path, int]:
    """Return when each file of these kinds was saved, in a stable order.

    Raises OSError where that cannot be told, as without file descriptors.
    """
    return {
        folder / name: at
        for folder in folders
        for name, at in saved_in(folder, kinds).items()
    }


def saved_in(folder: Path, kinds: tuple[str, ...]) -> dict[str, int]:
    """Return when each file of these kinds in a folder was saved.

    Hidden files, such as an editor's locks, are left out; so are links that
    lead nowhere or out of the folder, and whatever is no regular file.
    """
    found = {
        name: stamp(f"{folder}/{name}")
        for name in sorted(names_in(folder))
        if name.endswith(kinds)
    }
    return {name: at for name, at in found.items() if at != GONE}


def names_in(folder: Path, within: str = "") -> Iterator[str]:
    """Yield the files' names, with the folders that they are in."""
    try:
        entries = os.scandir(folder / within)
    except NOT_THERE:
        return
    with entries:
        for entry in entries:
            name = within + entry.name
            if is_hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from names_in(folder, f"{name}/")
            elif not entry.is_symlink() or is_inside(Path(entry.path), folder):
                yield name


def is_hidden(path: str) -> bool:
    """Tell whether a path has a part that begins with a dot."""
    return path.startswith(".") or "/." in path


def is_inside(path: Path, folder: Path) -> bool:
    """Tell whether a path leads to something in a folder, links followed."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # as of links in a circle
        return False


def stamp(path: str) -> int:
    """Return when a file was saved, GONE where there is no regular file."""
    try:
        found = os.stat(path)
    except NOT_THERE:
        return GONE
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else GONE
