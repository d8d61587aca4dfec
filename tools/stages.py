"""What each stage adds to the one before it, and what it changes.

`python -m tools.stages` prints it; with `--write`, it goes into README.md.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
START, END = "<!-- stages -->", "<!-- /stages -->"

MOST_DELETED = 5
"""Lines that a step may take away; a changed line counts as one."""


@dataclass(frozen=True)
class Step:
    """What is declared of the way from one stage to the next."""

    idea: str
    most_added: int
    adds: tuple[str, ...]
    changes: tuple[str, ...]


FIRST = "A UI shell: messages live in one page"

STEPS = {
    2: Step(
        idea="A party server behind each room: messages are shared",
        most_added=50,
        adds=("party/__init__.py", "party/chat_room.py"),
        changes=("app.py", "ui/room.js"),
    ),
    3: Step(
        idea="An AI in the room: everybody sees it answer everybody",
        most_added=95,
        adds=("party/ai.py", "party/should_reply.py"),
        changes=("app.py", "party/chat_room.py"),
    ),
    4: Step(
        idea="Parties talk to each other: a live tally of tokens",
        most_added=50,
        adds=("party/usage.py",),
        changes=("app.py", "party/chat_room.py", "ui/usage.js"),
    ),
    5: Step(
        idea="Presence: everybody's cursors, with flags",
        most_added=280,
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


@dataclass(frozen=True)
class Change:
    """One file of a step: how many lines came, and how many went."""

    name: str
    kind: str
    added: int
    deleted: int


def folder(level: int) -> Path:
    """Where a stage is."""
    return ROOT / f"demo_{level:02}"


def files(stage: Path) -> dict[str, str]:
    """The files of a stage by their names, its README apart."""
    return {
        path.relative_to(stage).as_posix(): path.read_text("utf-8")
        for path in sorted(stage.rglob("*"))
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.name != "README.md"
    }


def differences(old: Path, new: Path) -> Iterator[Change]:
    """Each file that is not the same, byte for byte, in both folders."""
    before, after = files(old), files(new)
    for name in sorted(before.keys() | after.keys()):
        kind = "adds" if name not in before else "changes"
        kind = kind if name in after else "removes"
        one, two = before.get(name, ""), after.get(name, "")
        if one != two or kind != "changes":
            yield Change(name, kind, *count(one, two))


def count(before: str, after: str) -> tuple[int, int]:
    """How many lines were added, and how many deleted."""
    old, new = before.splitlines(), after.splitlines()
    added = deleted = 0
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            added += m - k
            deleted += j - i
    return added, deleted


def table() -> str:
    """The stages in Markdown: their ideas, and the files of each step."""
    rows = [
        "| run | what is new | adds | changes | lines |",
        "|---|---|---|---|---|",
        f"| `make demo-01` | {FIRST} | | | |",
    ]
    for level, step in STEPS.items():
        changes = list(differences(folder(level - 1), folder(level)))
        added = sum(change.added for change in changes)
        deleted = sum(change.deleted for change in changes)
        rows.append(
            f"| `make demo-{level:02}` | {step.idea} "
            f"| {listed(changes, 'adds')} | {listed(changes, 'changes')} "
            f"| +{added} −{deleted} |"
        )
    return "\n".join(rows)


def listed(changes: list[Change], kind: str) -> str:
    """The files of one kind that have any lines, with how many came."""
    return ", ".join(
        f"`{change.name}` +{change.added}"
        for change in changes
        if change.kind == kind and change.added
    )


def written(readme: str) -> str:
    """The README with the table in its place."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Print what each step does, or write it into the README."""
    if "--write" in sys.argv[1:]:
        README.write_text(written(README.read_text("utf-8")), "utf-8")
        return
    for level, step in STEPS.items():
        print(f"demo_{level:02}: {step.idea}")
        changes = list(differences(folder(level - 1), folder(level)))
        for change in changes:
            numbers = f"+{change.added} -{change.deleted}"
            print(f"  {change.kind:8} {change.name:24} {numbers}")
        added = sum(change.added for change in changes)
        deleted = sum(change.deleted for change in changes)
        print(
            f"  in all: {added} of {step.most_added} lines added, "
            f"{deleted} of {MOST_DELETED} deleted\n"
        )


if __name__ == "__main__":
    main()
