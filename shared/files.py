"""Files for browsers, kept in memory under the name of what is in them."""

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

KINDS = (".js", ".mjs", ".css", ".svg")
GONE = -1

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
        names = self.only or sorted(files_in(self.path, KINDS))
        times = {name: stamp(f"{self.path}/{name}") for name in names}
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
    """When each file of these kinds was saved, in an order that lasts."""
    return {
        folder / name: stamp(f"{folder}/{name}")
        for folder in folders
        for name in sorted(files_in(folder, kinds))
    }


def files_in(folder: Path, kinds: tuple[str, ...]) -> Iterator[str]:
    """The files of these kinds in a folder and in those within."""
    for at, _, names in os.walk(folder):
        within = Path(at).relative_to(folder).as_posix() + "/"
        for name in names:
            if name.endswith(kinds):
                yield within.removeprefix("./") + name


def stamp(path: str) -> int:
    """When a file was saved, or that it is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return GONE
