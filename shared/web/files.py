"""Cache files for browsers, under a name that is a hash of their content."""

import gzip
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

CACHED_SUFFIXES = (".js", ".mjs", ".css", ".svg")
MISSING = -1
"""The mtime of a file that does not exist."""

MISSING_ERRORS = (FileNotFoundError, NotADirectoryError, PermissionError)
"""Errors that mean that there is nothing to read, now and later."""

Transform = Callable[[str, bytes], bytes]
"""A function of a file's name and content, which returns what to serve."""


class File:
    """A file's content, as it was saved at `mtime`."""

    def __init__(self, content: bytes, mtime: int) -> None:
        self.content = content
        self.mtime = mtime
        self.etag = content_hash(content)

    @cached_property
    def gzipped(self) -> bytes:
        """The content, compressed."""
        return gzip.compress(self.content, mtime=0)


class FileCache:
    """The files of a folder: all of them, or those in `only`.

    `base` is their URL, with a hash of all of them in it: when a file is
    saved, `base` is another one. So the content at a URL never changes.
    """

    def __init__(
        self,
        url: str,
        path: Path,
        only: Iterable[str] = (),
        transform: Transform = lambda name, content: content,
    ) -> None:
        self.url = url
        self.path = path
        self.only = list(only)
        self.transform = transform
        self.files: dict[str, File] = {}
        self.hash = ""

    @property
    def base(self) -> str:
        """The URL of the folder as it is now, with a slash at its end."""
        self.refresh()
        return f"{self.url}/{self.hash}/"

    def get(self, name: str) -> File | None:
        """Return a file as it is now, or None."""
        cached = self.files.get(name)
        if cached is None or cached.mtime != get_mtime(f"{self.path}/{name}"):
            self.refresh()
        return self.files.get(name)

    def refresh(self) -> None:
        """Read the files again if one was saved since the last call."""
        with suppress(OSError):  # a file may be gone before it is read
            found = self._mtimes()
            if found == {name: each.mtime for name, each in self.files.items()}:
                return
            # All of them: a style sheet has others in it.
            files = {name: self._read(name, at) for name, at in found.items()}
            etags = [f"{name} {each.etag}" for name, each in files.items()]
            self.hash = content_hash("\n".join(etags).encode())
            self.files = files

    def _mtimes(self) -> dict[str, int]:
        if not self.only:
            return mtimes_in(self.path, CACHED_SUFFIXES)
        times = {name: get_mtime(f"{self.path}/{name}") for name in self.only}
        return {name: at for name, at in times.items() if at != MISSING}

    def _read(self, name: str, mtime: int) -> File:
        content = (self.path / name).read_bytes()
        return File(self.transform(name, content), mtime)


def content_hash(content: bytes) -> str:
    """Return 12 hexadecimal digits that stand for this content."""
    return sha256(content).hexdigest()[:12]


def mtimes(*folders: Path, suffixes: tuple[str, ...]) -> dict[Path, int]:
    """Return when each file with these suffixes was saved, in stable order.

    Raises OSError if that is unknown, as without file descriptors.
    """
    return {
        folder / name: at
        for folder in folders
        for name, at in mtimes_in(folder, suffixes).items()
    }


def mtimes_in(folder: Path, suffixes: tuple[str, ...]) -> dict[str, int]:
    """Return when each file with these suffixes in a folder was saved.

    It leaves out hidden files, such as an editor's locks; links that lead
    nowhere or out of the folder; and everything but regular files.
    """
    found = {
        name: get_mtime(f"{folder}/{name}")
        for name in sorted(walk(folder))
        if name.endswith(suffixes)
    }
    return {name: at for name, at in found.items() if at != MISSING}


def walk(folder: Path, within: str = "") -> Iterator[str]:
    """Yield the files' paths, relative to the folder."""
    try:
        entries = os.scandir(folder / within)
    except MISSING_ERRORS:
        return
    with entries:
        for entry in entries:
            name = within + entry.name
            if is_hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from walk(folder, f"{name}/")
            elif not entry.is_symlink() or is_inside(Path(entry.path), folder):
                yield name


def is_hidden(path: str) -> bool:
    """Tell whether a part of a path begins with a dot."""
    return path.startswith(".") or "/." in path


def is_inside(path: Path, folder: Path) -> bool:
    """Tell whether a path is in a folder, once links are followed."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # RuntimeError: a circle of links
        return False


def get_mtime(path: str) -> int:
    """Return when a regular file was saved, in ns; MISSING if none is there."""
    try:
        found = os.stat(path)
    except MISSING_ERRORS:
        return MISSING
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else MISSING
