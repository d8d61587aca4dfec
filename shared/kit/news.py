"""What is new in a stage: the real difference from the one before it."""

from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..pages import Shell
from .columns import blocks
from .differences import differences
from .readme import sections

PATH, TITLE = "/whats-new", "What’s new"

STARTED_FROM = ".started-from"
"""In a folder that was copied from a stage, the file with that one's name."""


def routes(shell: Shell) -> list[BaseRoute]:
    """The page that shows it, where there is a stage before."""
    folder = shell.ui.parent
    before = stage_before(folder)
    if before is None:
        return []
    shell.links[PATH] = TITLE
    alone = Lock()

    # Not async, as it reads files; and once at a time, as it takes a while.
    def whats_new(request: Request) -> Response:
        template = shell.templates.get_template("news.html")
        with alone:
            body = template.render(contents(before, folder))
        return shell.render(request, "news", TITLE, {}, body=body)

    return [Route(PATH, whats_new)]


def contents(before: Path, folder: Path) -> dict[str, object]:
    """What the page shows, as the files are right now."""
    copied = (folder / STARTED_FROM).exists()
    return {
        "old": before.name,
        "new": folder.name,
        "copied": copied,
        "command": command(before.name, folder.name, copied),
        "sections": [] if copied else sections(folder / "README.md"),
        "changes": list(differences(before, folder)),
        "blocks": blocks,
    }


def stage_before(folder: Path) -> Path | None:
    """What a folder was copied from, else the stage with the number before."""
    name = name_before(folder)
    before = folder.parent / name
    return before if name and (before / "app.py").is_file() else None


def name_before(folder: Path) -> str:
    """What the stage before would be called."""
    try:
        name = (folder / STARTED_FROM).read_text("utf-8").strip()
        return name if name.isidentifier() else ""
    except (OSError, UnicodeDecodeError):
        name = folder.name.rstrip("0123456789")
    digits = folder.name.removeprefix(name)
    return f"{name}{int(digits) - 1:0{len(digits)}}" if digits else ""


def command(old: str, new: str, copied: bool) -> str:
    """How to see the same in the terminal."""
    if copied:
        return f"diff -ru -x __pycache__ {old} {new}"
    return f"make diff-{new.rpartition('_')[2]}"
