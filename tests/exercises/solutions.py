"""The exercises' solutions, packed so that no search comes upon them.

    python -m tests.exercises.solutions open who-5 FOLDER
    python -m tests.exercises.solutions close who-5 FOLDER

The first makes a folder: a stage with that solution in it. The second keeps
what a folder changes in its stage. A name is that of an exercise, the stage
where it begins, and a word for what is wrong with it, if anything is.
"""

import json
import lzma
import shutil
import sys
from pathlib import Path

from ..support.server_process import ROOT

PACKED = Path(__file__).with_name("solutions.xz")

LEFT_OUT = shutil.ignore_patterns("__pycache__", "README.md", ".*")

Files = dict[str, str]
"""Contents of files, by their paths in a stage."""


def solutions() -> dict[str, Files]:
    """All of them, by their names: the files that are not as in the stage."""
    packed: dict[str, Files] = json.loads(lzma.decompress(PACKED.read_bytes()))
    return packed


def stage(name: str) -> Path:
    """The folder with which a solution begins."""
    return ROOT / f"demo_0{name.split('-')[1]}"


def unpack(name: str, folder: Path) -> None:
    """Make a folder that holds a solution."""
    shutil.copytree(stage(name), folder, ignore=LEFT_OUT)
    for path, text in solutions()[name].items():
        (folder / path).write_text(text, "utf-8")


def pack(name: str, folder: Path) -> None:
    """Keep a solution."""
    before, after = contents(stage(name)), contents(folder)
    changed = {p: text for p, text in after.items() if before.get(p) != text}
    packed = {**(solutions() if PACKED.exists() else {}), name: changed}
    text = json.dumps(packed, ensure_ascii=False, sort_keys=True)
    PACKED.write_bytes(lzma.compress(text.encode()))


def contents(folder: Path) -> Files:
    """Return the contents of the code files in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".js")
    }


if __name__ == "__main__":
    what, which, where = sys.argv[1:]
    {"open": unpack, "close": pack}[what](which, Path(where))
