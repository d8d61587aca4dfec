"""A stage's assets: modules, styles, libraries, and the import map."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute, Mount

from ..settings import ROOT
from .files import FileCache
from .libraries import IMPORT_MAP, library_cache, strip_comments
from .module_graph import find_modules
from .static_files import HashedStaticFiles

UI = ROOT / "shared" / "ui"

INLINE_SCRIPTS = ("zoom.js", "shortcuts.js", "load_failure.js")
"""The scripts that are in the page itself."""

STYLE_IMPORT = re.compile(rb'@import "([^"]+)";\n')


@dataclass
class PageAssets:
    """The URLs in a page, so that a browser requests all of them at once."""

    ui: str
    """The URL of the shared files."""

    loading: str
    """The script in the page itself, which has all of INLINE_SCRIPTS."""

    import_map: str
    """The import map, as JSON."""

    styles: list[str]
    """The style sheets: that of all pages, and the page's own."""

    entries: list[str]
    """The modules to run."""

    preloads: list[str]
    """The modules that they import, directly or not."""


class Assets:
    """The folders with a stage's assets, as they are now."""

    def __init__(self, stage: str, ui: Path, root: str = "") -> None:
        # With the stage's name in it, else a browser would run one stage's
        # code in another.
        self.own = FileCache(f"/{stage}/ui", ui, transform=strip_comments)
        self.shared = FileCache("/shared/ui", UI, transform=bundle)
        self.libraries = library_cache()
        self.caches = [self.own, self.shared, self.libraries]
        self.root = root
        self._bases: list[str] = []
        self._pages: dict[str, PageAssets] = {}

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes that serve them."""
        return [
            Mount(each.url, HashedStaticFiles(each)) for each in self.caches
        ]

    def of_page(self, page: str) -> PageAssets:
        """Return the assets of a page; they are found again after a change."""
        bases = [self.root + each.base for each in self.caches]
        if bases != self._bases:
            self._bases, self._pages = bases, {}
        if page not in self._pages:
            self._pages[page] = self._find(page, *bases)
        return self._pages[page]

    def _find(
        self, page: str, own: str, shared: str, libraries: str
    ) -> PageAssets:
        """Find a page's module in the stage's own folder, or the shared one."""
        names = {"shared/": shared}
        names |= {name: libraries + path for name, path in IMPORT_MAP.items()}
        is_own = f"{page}.js" in self.own.files
        main = f"{own}{page}.js" if is_own else f"{shared}pages/{page}.js"
        entries = [f"{shared}pages/live_reload.js", main]
        found = find_modules(entries, names, self._read)
        scripts = [f"{shared}pages/{each}" for each in INLINE_SCRIPTS]
        lines = "\n".join(map(self._read, scripts)).splitlines()
        styles = ["style.css", f"pages/{page}.css"]
        return PageAssets(
            ui=shared,
            loading="\n".join(filter(None, lines)),
            import_map=json.dumps({"imports": names}),
            styles=[
                shared + each for each in styles if each in self.shared.files
            ],
            entries=entries,
            preloads=found[len(entries) :],
        )

    def _read(self, url: str) -> str:
        """Return the content at a URL, or "" if there is none."""
        for cache in self.caches:
            base = f"{self.root}{cache.url}/{cache.hash}/"
            if url.startswith(base):
                file = cache.get(url.removeprefix(base))
                return file.content.decode(errors="replace") if file else ""
        return ""


def bundle(name: str, content: bytes) -> bytes:
    """Return a shared file as it is sent: a style sheet with its imports."""

    def inline(found: re.Match[bytes]) -> bytes:
        return (UI / name).parent.joinpath(found[1].decode()).read_bytes()

    if name.endswith(".css"):
        content = STYLE_IMPORT.sub(inline, content)
    return strip_comments(name, content)
