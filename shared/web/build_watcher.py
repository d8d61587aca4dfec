"""Which build of which stage runs: a page of another one reloads itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..party.registry import Parties
from ..settings import settings
from .assets import UI
from .files import stamps
from .pages import Shell

SERVED = (".js", ".css", ".html")
"""The files that a running server hands out as they are now."""

OFTEN = 0.5
"""Seconds from one look at them to the next."""

SAVED = 1012, "A file of this page was saved."
"""With what sockets are closed then, so that their pages ask for the build."""


class Build:
    """The stage's name, and what is in its files and in those of `shared`."""

    def __init__(self, shell: Shell, parties: Parties) -> None:
        self.shell = shell
        self.parties = parties
        # Python code runs as it was read, however it is saved afterwards.
        folders = (shell.ui.parent, UI.parent)
        self.code = digest(shell.stage, stamps(*folders, kinds=(".py",)))
        self.stamps: dict[Path, int] = {}
        self.look()

    def look(self) -> bool:
        """Name the build anew, if a file that browsers get was saved."""
        found = stamps(self.shell.ui, UI, kinds=SERVED)
        if found == self.stamps:
            return False
        name = digest(self.code, found)
        self.stamps, self.since = found, time.time_ns()
        changed, self.shell.build = name != self.shell.build, name
        return changed

    async def watch(self) -> None:
        """Have pages ask, as long as this runs, whenever a file is saved."""
        while True:
            await asyncio.sleep(OFTEN)
            with suppress(OSError):  # it may be gone before it is read
                if self.look():
                    for connection in self.parties.connections():
                        connection.close(*SAVED)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """While the block lasts, notice what is saved, if RELOAD says so."""
        if not settings().reload:
            yield
            return
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()

    async def answer(self, request: Request) -> Response:
        """Say which build runs, and since when."""
        headers = {"Cache-Control": "no-store"}
        text = f"{self.shell.build} {self.since}"
        if self.parties.closed:
            # What runs next answers, over another connection.
            headers["Connection"], text = "close", ""
        return PlainTextResponse(text, headers=headers)

    @property
    def routes(self) -> list[BaseRoute]:
        """Where a page asks."""
        return [Route("/build", self.answer)]


def digest(start: str, paths: dict[Path, int]) -> str:
    """A short name for a text and what is in some files."""
    found = sha256(start.encode())
    for path in paths:
        with suppress(FileNotFoundError, PermissionError):
            found.update(sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]
