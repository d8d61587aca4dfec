"""The What's new page: the diff of a stage and the one before it."""

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..settings import ROOT
from ..web.assets import UI
from ..web.files import mtimes
from ..web.pages import PageRenderer, templates
from .diff import diff_folders
from .introduction import read_introduction
from .side_by_side import diff_blocks

logger = logging.getLogger("kit")

MAKE_TIMEOUT = 30.0
"""Timeout in seconds for rendering the page."""

PATH, TITLE = "/whats-new", "What’s new"

STARTED_FROM = ".started-from"
"""A file in a copy of a stage, with the name of that stage."""


def whats_new_routes(renderer: PageRenderer) -> list[BaseRoute]:
    """Return the page's route, if there is a previous stage."""
    folder = renderer.ui.parent
    before = previous_stage(folder)
    if before is None:
        return []
    renderer.footer_links[PATH] = TITLE
    news = WhatsNewPage(before, folder)

    async def whats_new(request: Request) -> Response:
        body = await news.render()
        return renderer.render(request, "whats_new", TITLE, {}, body=body)

    return [Route(PATH, whats_new)]


class WhatsNewPage:
    """The page's body, rendered again after a file was saved.

    A subprocess renders it, as that takes a second of CPU time.
    """

    def __init__(self, before: Path, folder: Path) -> None:
        self._folders = before, folder
        self._stamps: dict[Path, int] = {}
        self._body = ""
        self._checked_at = 0.0
        self._lock = asyncio.Lock()

    async def render(self) -> str:
        """Return the body for the current files.

        Concurrent requests share one check of the files.
        """
        asked = time.monotonic()
        try:
            async with self._lock:
                if self._checked_at < asked:
                    self._checked_at = time.monotonic()
                    await asyncio.to_thread(self._refresh)
        except (OSError, subprocess.SubprocessError) as error:
            logger.warning("%s cannot be made: %s", PATH, error)
        if not self._body:
            why = "This page cannot be shown right now. Try again later."
            raise HTTPException(503, why)
        return self._body

    def _refresh(self) -> None:
        """Render the body again if a file was saved."""
        found = mtimes(*self._folders, UI, suffixes=("",))
        if found != self._stamps:
            self._body, self._stamps = self._render_in_subprocess(), found

    def _render_in_subprocess(self) -> str:
        """Return the body that a subprocess renders."""
        return subprocess.run(
            [sys.executable, "-m", __name__, *map(str, self._folders)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            timeout=MAKE_TIMEOUT,
            check=True,
        ).stdout


def main() -> None:
    """Print the body of the page for two folders."""
    if hasattr(os, "nice"):
        os.nice(10)  # the chat goes first
    template = templates().get_template("whats_new/whats_new.html")
    body = template.render(page_context(*map(Path, sys.argv[1:])))
    sys.stdout.buffer.write(body.encode())


def page_context(before: Path, folder: Path) -> dict[str, object]:
    """Return the template's context for the current files."""
    copied = (folder / STARTED_FROM).exists()
    return {
        "old": before.name,
        "new": folder.name,
        "copied": copied,
        "command": diff_command(before.name, folder.name, copied),
        "introduction": (
            None if copied else read_introduction(folder / "README.md")
        ),
        "changes": list(diff_folders(before, folder)),
        "diff_blocks": diff_blocks,
    }


def previous_stage(folder: Path) -> Path | None:
    """Return the stage that a folder was copied from, or the previous one."""
    name = previous_stage_name(folder)
    before = folder.parent / name
    return before if name and (before / "app.py").is_file() else None


def previous_stage_name(folder: Path) -> str:
    """Return the previous stage's name, or ""."""
    try:
        name = (folder / STARTED_FROM).read_text("utf-8").strip()
        return name if name.isidentifier() else ""
    except (OSError, UnicodeDecodeError):
        name = folder.name.rstrip("0123456789")
    digits = folder.name.removeprefix(name)
    return f"{name}{int(digits) - 1:0{len(digits)}}" if digits else ""


def diff_command(old: str, new: str, copied: bool) -> str:
    """Return the command that shows the same in a terminal."""
    if copied:
        return f"diff -ru -x __pycache__ {old} {new}"
    return f"make diff-{new.rpartition('_')[2]}"


if __name__ == "__main__":
    main()
