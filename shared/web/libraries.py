"""The libraries for browsers, and their names in the import map."""

import re

from ..settings import ROOT
from .files import FileCache
from .module_graph import find_modules

LIBRARIES = ROOT / "node_modules"
PACKAGES = ["preact", "htm", "partysocket", "@msgpack/msgpack"]

IMPORT_MAP = {
    "preact": "preact/dist/preact.mjs",
    "preact/hooks": "preact/hooks/dist/hooks.mjs",
    # partysocket's hook needs nothing else of React.
    "react": "preact/hooks/dist/hooks.mjs",
    "htm": "htm/dist/htm.module.js",
    "htm/preact": "htm/preact/index.module.js",
    "partysocket/react": "partysocket/dist/react.js",
    # Its one small file is CommonJS; as modules, it comes in 16 large ones.
    "@msgpack/msgpack": "@msgpack/msgpack/dist.umd/msgpack.min.js",
}
"""The files, in LIBRARIES, of what is imported by a bare name."""

UMD_WRAPPER = """const exports = {}, module = { exports };
%s
export const { decode, encode } = module.exports;
"""

COMMENTS = re.compile(
    r"^[ \t]*(?://[^\n]*|/\*(?!!)(?:[^*]|\*(?!/))*\*/[ \t]*)$|^[ \t]+"
    r"|/\*\* @[^*\n]*\*/ ?",
    re.M,
)
"""Comment lines (not licences), indentation, and JSDoc casts in a line."""

CSS_SPACE = re.compile(
    r"""("[^"]*"|'[^']*')|(?<=[{};,])\s+|(?<=\w:) (?=[^{]*;)| (?={)"""
)
"""Needless space in a style sheet; the group is a string, which stays."""


def strip_comments(name: str, content: bytes) -> bytes:
    """Remove comments and indentation from a module or a style sheet.

    Each line of a module keeps its number, as errors name it.
    """
    if not name.endswith(("js", "css")):
        return content
    text = COMMENTS.sub(lambda it: "\n" * it[0].count("\n"), content.decode())
    if name.endswith(".css"):
        text = CSS_SPACE.sub(r"\1", text)
    return text.encode()


def as_module(name: str, content: bytes) -> bytes:
    """Make a library's file a module, without comments."""
    if ".umd/" in name:
        content = UMD_WRAPPER.encode() % content
    return strip_comments(name, content)


def library_cache() -> FileCache:
    """Return the libraries' modules in the import map, and all they import."""

    def read(url: str) -> str:
        path = LIBRARIES / url
        return path.read_text("utf-8") if path.is_file() else ""

    entries = [*dict.fromkeys(IMPORT_MAP.values())]
    only = find_modules(entries, IMPORT_MAP, read)
    return FileCache("/lib", LIBRARIES, only, as_module)
