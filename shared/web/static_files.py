"""Answers with files: for ever at the address of this very file, else fresh."""

import mimetypes
import os
import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from .files import File, Folder, is_hidden, is_inside

FOR_EVER = "public, max-age=31536000, immutable"
FRESH = "no-cache"
"""A browser may keep it, and asks each time whether it is still the same."""

GZIP = re.compile(
    r"(?<![\w-])gzip(?![\w-])(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.I
)

BUILD = re.compile("[0-9a-f]{12}")
"""What `short_name` makes: the folder's name, now or once."""

# Some systems call modules plain text, which browsers do not run.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class Static(StaticFiles):
    """The files of a folder; others in it, such as pictures, from the disk."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(directory=None if folder.only else folder.path)
        self.folder = folder

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer as StaticFiles does, 304 included."""
        if "\0" in path:
            raise HTTPException(404)
        build, _, rest = path.replace(os.sep, "/").partition("/")
        name = rest if BUILD.fullmatch(build) else path
        file = self.folder.get(name)
        if file is None or scope["method"] not in ("GET", "HEAD"):
            folder = self.folder.path
            if is_hidden(name) or not is_inside(folder / name, folder):
                raise HTTPException(404)
            response = await super().get_response(name, scope)
            response.headers["Cache-Control"] = FRESH
            return response
        lasts = build == self.folder.name
        return self.answer(file, name, FOR_EVER if lasts else FRESH, scope)

    def answer(
        self, file: File, name: str, lasts: str, scope: Scope
    ) -> Response:
        """The file, compressed for who takes it; 304 for who has it."""
        packs = takes_gzip(scope)
        response = Response(
            file.packed if packs else file.text,
            media_type=mimetypes.guess_type(name)[0],
            headers={
                "Cache-Control": lasts,
                "ETag": f'"{file.tag}{"-gzip" * packs}"',
                "Vary": "Accept-Encoding",
            },
        )
        if packs:
            response.headers["Content-Encoding"] = "gzip"
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def takes_gzip(scope: Scope) -> bool:
    """Whether a browser takes what is compressed: gzip;q=0 says it does not."""
    accepted = Headers(scope=scope).get("accept-encoding", "")
    return bool(GZIP.search(accepted))
