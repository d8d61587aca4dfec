"""The table of the stages: the files that each adds and changes.

`python -m tools.stages` prints it; with `--write`, it goes into README.md.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from shared.whats_new.diff import FileDiff, diff_folders, stage_files

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
START, END = "<!-- stages -->", "<!-- /stages -->"

MAX_DELETED = 5
"""Lines that a step may take away; a changed line counts as one."""


@dataclass(frozen=True)
class Step:
    """The declared step from one stage to the next."""

    idea: str
    max_added: int
    adds: tuple[str, ...]
    changes: tuple[str, ...]


FIRST = "A UI shell: messages live in one page"

STEPS = {
    2: Step(
        idea="A party server behind each room: messages are shared",
        max_added=60,
        adds=("party/__init__.py", "party/chat_room.py"),
        changes=("app.py", "ui/room.js"),
    ),
    3: Step(
        idea="An AI in the room: everybody sees it answer everybody",
        max_added=110,
        adds=("party/ai.py", "party/should_reply.py"),
        changes=("app.py", "party/chat_room.py"),
    ),
    4: Step(
        idea="Parties talk to each other: a live tally of tokens",
        max_added=50,
        adds=("party/usage.py",),
        changes=("app.py", "party/chat_room.py", "ui/usage.js"),
    ),
    5: Step(
        idea="Presence: everybody's cursors, with flags",
        max_added=290,
        adds=(
            "party/presence.py",
            "party/presence_schema.py",
            "ui/cursors.js",
            "ui/other_cursors.js",
            "ui/presence.js",
        ),
        changes=("app.py", "ui/room.js"),
    ),
}


def folder(level: int) -> Path:
    """Return the folder of a stage."""
    return ROOT / f"demo_{level:02}"


def files(stage: Path) -> dict[str, str]:
    """The files of a stage by their names, its README apart."""
    return {
        name: (stage / name).read_text("utf-8")
        for name in sorted(stage_files(stage))
    }


def step_files(level: int) -> tuple[list[FileDiff], int, int]:
    """Return the files of a step, and the lines added and deleted."""
    changes = list(diff_folders(folder(level - 1), folder(level)))
    added = sum(change.added for change in changes)
    return changes, added, sum(change.deleted for change in changes)


def table() -> str:
    """Return the stages in Markdown, with the files of each step."""
    rows = [
        "| run | what is new | adds | changes | lines |",
        "|---|---|---|---|---|",
        f"| `make demo-01` | {FIRST} | | | |",
    ]
    for level, step in STEPS.items():
        changes, added, deleted = step_files(level)
        rows.append(
            f"| `make demo-{level:02}` | {step.idea} "
            f"| {list_files(changes, 'adds')} "
            f"| {list_files(changes, 'changes')} | +{added} −{deleted} |"
        )
    return "\n".join(rows)


def list_files(changes: list[FileDiff], kind: str) -> str:
    """Return the files of one kind that have any lines, with their number."""
    return ", ".join(
        f"`{change.name}` +{change.added}"
        for change in changes
        if change.kind == kind and change.added
    )


def written(readme: str) -> str:
    """Return the README with the table in its place."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Print each step, or write the table into the README."""
    if "--write" in sys.argv[1:]:
        README.write_text(written(README.read_text("utf-8")), "utf-8")
        return
    for level, step in STEPS.items():
        changes, added, deleted = step_files(level)
        print(f"demo_{level:02}: {step.idea}")
        for change in changes:
            numbers = f"+{change.added} -{change.deleted}"
            print(f"  {change.kind:8} {change.name:24} {numbers}")
        print(
            f"  in all: {added} of {step.max_added} lines added, "
            f"{deleted} of {MAX_DELETED} deleted\n"
        )


if __name__ == "__main__":
    main()
