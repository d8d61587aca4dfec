"""What a stage's pages are made of: modules, styles and libraries."""

import json
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute, Mount

from ..settings import ROOT
from .files import Folder
from .libraries import NAMES, lean, library_folder
from .module_graph import modules
from .static_files import Static

UI = ROOT / "shared" / "ui"


@dataclass
class Links:
    """What a page names, so that a browser asks for all of it at once."""

    ui: str
    """Where the shared files are."""

    loading: str
    """The script that is in the page itself."""

    import_map: str
    entries: list[str]
    """The modules to run."""

    imported: list[str]
    """The modules that they import, and so on."""


class Assets:
    """The folders, as they are now."""

    def __init__(self, stage: str, ui: Path, root: str = "") -> None:
        # With the stage's name in it, else a browser would run one stage's
        # code in another.
        self.own = Folder(f"/{stage}/ui", ui)
        self.shared = Folder("/shared/ui", UI, change=lean)
        self.libraries = library_folder()
        self.folders = [self.own, self.shared, self.libraries]
        self.root = root
        self.bases: list[str] = []
        self.known: dict[str, Links] = {}

    @property
    def routes(self) -> list[BaseRoute]:
        """Where the browser gets them."""
        return [Mount(each.url, Static(each)) for each in self.folders]

    def links(self, page: str) -> Links:
        """What a page names now."""
        bases = [self.root + each.base for each in self.folders]
        if bases != self.bases:
            self.bases, self.known = bases, {}
        if page not in self.known:
            self.known[page] = self.find_links(page, *bases)
        return self.known[page]

    def find_links(
        self, page: str, own: str, shared: str, libraries: str
    ) -> Links:
        """What a page names: a module of the stage's own, else a shared one."""
        names = {"shared/": shared}
        names |= {name: libraries + path for name, path in NAMES.items()}
        is_own = f"{page}.js" in self.own.files
        main = f"{own}{page}.js" if is_own else f"{shared}pages/{page}.js"
        entries = [f"{shared}pages/live_reload.js", main]
        found = modules(entries, names, self.read)
        import_map = json.dumps({"imports": names})
        lines = self.read(f"{shared}pages/load_failure.js").splitlines()
        loading = "\n".join(filter(None, lines))
        imported = found[len(entries) :]
        return Links(shared, loading, import_map, entries, imported)

    def read(self, url: str) -> str:
        """What is in the file at a URL; "" if there is none."""
        for folder in self.folders:
            base = f"{self.root}{folder.url}/{folder.name}/"
            if url.startswith(base):
                file = folder.get(url.removeprefix(base))
                return file.text.decode(errors="replace") if file else ""
        return ""
