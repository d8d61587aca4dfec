"""Make my_demo, to build a stage by hand: `python3 tools/start.py 03`.

It is a copy of the stage before. One that is there already is never changed,
or with AGAIN=1 moved aside. It needs nothing but Python itself.
"""

import os
import shutil
import sys
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINE = ROOT / "my_demo"
LEFT_OUT = shutil.ignore_patterns("README.md", "__pycache__", ".*")


def main() -> None:
    """Copy the stage before, and print the exercise."""
    number = sys.argv[1] if len(sys.argv) > 1 else ""
    exercise = ROOT / "docs" / "exercises" / f"stage_{number}.md"
    if not exercise.exists():
        sys.exit(f"There is no start-{number}: 02 to 05 can be built by hand.")
    before = f"demo_{int(number) - 1:02}"
    if not (ROOT / before / "app.py").exists():
        sys.exit(
            f"There is no {before} here to start from. If my_demo is that far "
            f"already, go on in it: docs/exercises/{exercise.name} says how."
        )
    if MINE.exists():
        move_aside(number)
    shutil.copytree(
        ROOT / before, MINE, ignore=LEFT_OUT, ignore_dangling_symlinks=True
    )
    (MINE / ".started-from").write_text(f"{before}\n", "utf-8")
    print(f"my_demo is a copy of {before}: this is what to make of it.\n")
    print(exercise.read_text("utf-8").strip())


def move_aside(number: str) -> None:
    """Rename the folder that is there; exit without AGAIN=1."""
    if not os.environ.get("AGAIN"):
        sys.exit(
            "There is a my_demo already, and it stays as it is. To begin "
            f"again and keep it as well: make start-{number} AGAIN=1"
        )
    names = (ROOT / f"my_demo_{number}" for number in count(1))
    old = next(path for path in names if not path.exists())
    MINE.rename(old)
    print(f"What was in my_demo is in {old.name} now.")


if __name__ == "__main__":
    main()
