"""Serve files: cached for good at a URL with their hash, else revalidated."""

import mimetypes
import os
import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from .files import File, FileCache, is_hidden, is_inside

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
"""A browser may keep the file, and asks each time whether it is current."""

GZIP = re.compile(
    r"(?<![\w-])gzip(?![\w-])(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.I
)

HASH = re.compile("[0-9a-f]{12}")
"""A folder's hash, now or earlier: see `content_hash`."""

# Some systems call modules plain text, which browsers do not run.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class HashedStaticFiles(StaticFiles):
    """Serve cached files; others in the folder, such as pictures, from disk."""

    def __init__(self, cache: FileCache) -> None:
        super().__init__(directory=None if cache.only else cache.path)
        self.cache = cache

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer as StaticFiles does, with 304, too."""
        if "\0" in path:
            raise HTTPException(404)
        start, _, rest = path.replace(os.sep, "/").partition("/")
        name = rest if HASH.fullmatch(start) else path
        file = self.cache.get(name)
        if file is None or scope["method"] not in ("GET", "HEAD"):
            folder = self.cache.path
            if is_hidden(name) or not is_inside(folder / name, folder):
                raise HTTPException(404)
            response = await super().get_response(name, scope)
            response.headers["Cache-Control"] = REVALIDATE
            return response
        control = IMMUTABLE if start == self.cache.hash else REVALIDATE
        return self.cached_response(file, name, control, scope)

    def cached_response(
        self, file: File, name: str, control: str, scope: Scope
    ) -> Response:
        """Return the file, compressed if that is accepted, or a 304."""
        is_gzip = accepts_gzip(scope)
        response = Response(
            file.gzipped if is_gzip else file.content,
            media_type=mimetypes.guess_type(name)[0],
            headers={
                "Cache-Control": control,
                "ETag": f'"{file.etag}{"-gzip" * is_gzip}"',
                "Vary": "Accept-Encoding",
            },
        )
        if is_gzip:
            response.headers["Content-Encoding"] = "gzip"
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def accepts_gzip(scope: Scope) -> bool:
    """Tell whether a browser accepts gzip; with gzip;q=0 it does not."""
    accepted = Headers(scope=scope).get("accept-encoding", "")
    return bool(GZIP.search(accepted))
