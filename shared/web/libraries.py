"""The libraries that browsers get, and what import maps call their modules."""

import re

from ..settings import ROOT
from .files import Folder
from .module_graph import modules

LIBRARIES = ROOT / "node_modules"
PACKAGES = ["preact", "htm", "partysocket", "@msgpack/msgpack"]

NAMES = {
    "preact": "preact/dist/preact.mjs",
    "preact/hooks": "preact/hooks/dist/hooks.mjs",
    # Of React, partysocket's hook needs what preact's hooks are.
    "react": "preact/hooks/dist/hooks.mjs",
    "htm": "htm/dist/htm.module.js",
    "htm/preact": "htm/preact/index.module.js",
    "partysocket/react": "partysocket/dist/react.js",
    # Its one small file is CommonJS; as modules, it comes in 16 large ones.
    "@msgpack/msgpack": "@msgpack/msgpack/dist.umd/msgpack.min.js",
}
"""Where the browser finds what is imported by a bare name."""

MODULE = """const exports = {}, module = { exports };
%s
export const { decode, encode } = module.exports;
"""

NOT_CODE = re.compile(
    r"^[ \t]*(?://[^\n]*|/\*(?!!)(?:[^*]|\*(?!/))*\*/[ \t]*)$|^[ \t]+"
    r"|/\*\* @[^*\n]*\*/ ?",
    re.M,
)
"""Comment lines (not licences), indentation, and JSDoc casts in a line."""

CSS_SPACE = re.compile(
    r"""("[^"]*"|'[^']*')|(?<=[{};,])\s+|(?<=\w:) (?=[^{]*;)| (?={)"""
)
"""Space in a style sheet that nothing depends on; strings are a group."""


def lean(name: str, text: bytes) -> bytes:
    """Code without what is for those who read it.

    Each line of a module stays in place, as errors name it.
    """
    if not name.endswith(("js", "css")):
        return text
    found = NOT_CODE.sub(lambda it: "\n" * it[0].count("\n"), text.decode())
    if name.endswith(".css"):
        found = CSS_SPACE.sub(r"\1", found)
    return found.encode()


def as_module(name: str, text: bytes) -> bytes:
    """A library's file, as a module, and lean."""
    return lean(name, MODULE.encode() % text if ".umd/" in name else text)


def library_folder() -> Folder:
    """The modules of libraries that can be imported, and all they import."""

    def read(url: str) -> str:
        path = LIBRARIES / url
        return path.read_text("utf-8") if path.is_file() else ""

    found = modules([*dict.fromkeys(NAMES.values())], NAMES, read)
    return Folder("/lib", LIBRARIES, only=found, change=as_module)
