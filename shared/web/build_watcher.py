"""Name the running build, so that a page of another one reloads itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..party import PartyRegistry
from ..settings import settings
from .assets import UI
from .files import mtimes
from .pages import PageRenderer

SERVED_SUFFIXES = (".js", ".css", ".html")
"""The files that a running server serves as they are now."""

CHECK_INTERVAL = 0.5

FILE_SAVED = 1012, "A file of this page was saved."
"""The close code and reason that make pages ask for the build."""


class BuildWatcher:
    """Hash the stage's name, its files and those of `shared`."""

    def __init__(self, renderer: PageRenderer, parties: PartyRegistry) -> None:
        self.renderer = renderer
        self.parties = parties
        # Python code runs as it was read, however it is saved afterwards.
        folders = (renderer.ui.parent, UI.parent)
        code = mtimes(*folders, suffixes=(".py",))
        self._code_hash = hash_files(renderer.stage, code)
        self._mtimes: dict[Path, int] = {}
        self.update()

    def update(self) -> bool:
        """Name the build again if a served file was saved; return whether."""
        found = mtimes(self.renderer.ui, UI, suffixes=SERVED_SUFFIXES)
        if found == self._mtimes:
            return False
        build = hash_files(self._code_hash, found)
        self._mtimes, self.since = found, time.time_ns()
        changed, self.renderer.build = build != self.renderer.build, build
        return changed

    async def watch(self) -> None:
        """Close all sockets whenever a file is saved, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            with suppress(OSError):  # a file may be gone before it is read
                if self.update():
                    for connection in self.parties.connections():
                        connection.close(*FILE_SAVED)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch during the block, with RELOAD=1."""
        if not settings().reload:
            yield
            return
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()

    async def show_build(self, request: Request) -> Response:
        """Answer with the build and since when it runs."""
        headers = {"Cache-Control": "no-store"}
        text = f"{self.renderer.build} {self.since}"
        if not self.parties.is_open:
            # The next server answers, over another connection.
            headers["Connection"], text = "close", ""
        return PlainTextResponse(text, headers=headers)

    @property
    def routes(self) -> list[BaseRoute]:
        """The route that a page asks for the build."""
        return [Route("/build", self.show_build)]


def hash_files(start: str, paths: dict[Path, int]) -> str:
    """Return 16 hexadecimal digits for a text and the files' content."""
    found = sha256(start.encode())
    for path in paths:
        with suppress(FileNotFoundError, PermissionError):
            found.update(sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]
