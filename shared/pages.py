"""The pages' shell: one template, an import map, data, and a module."""

from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import (
    Environment,
    FileSystemLoader,
    Template,
    select_autoescape,
)
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount

from .kit import join
from .libraries import (
    IMPORT_MAP,
    LIBRARIES,
    PACKAGES,
    Fresh,
    content_security_policy,
)
from .settings import ROOT, settings

UI = ROOT / "shared" / "ui"

TALKING = ("room", "usage")
"""The pages that say which model answers."""


class Shell:
    """The pages of one stage, around the modules in its `ui` folder."""

    def __init__(self, stage: str, folder: Path) -> None:
        self.stage = stage
        self.ui = folder / "ui"
        self.notes: list[str] = []
        self.build = ""
        self.links: dict[str, str] = {}
        self.templates = Environment(
            loader=FileSystemLoader(UI), autoescape=select_autoescape()
        )

    @property
    def template(self) -> Template:
        """That of all pages, as it was saved last."""
        return self.templates.get_template("page.html")

    @property
    def routes(self) -> list[BaseRoute]:
        """Where the browser gets modules, styles and libraries.

        The stage's name is in its modules' URLs: else a browser would run
        one stage's code in another.
        """
        folders = {f"/{self.stage}/ui": self.ui, "/shared/ui": UI}
        for package in PACKAGES:
            folders[f"/lib/{package}"] = LIBRARIES / package
        return [
            Mount(path, Fresh(directory=folder, check_dir=False))
            for path, folder in folders.items()
        ]

    def module(self, name: str) -> str:
        """The URL of a page's module: the stage's own, else the shared one."""
        if (self.ui / f"{name}.js").exists():
            return f"/{self.stage}/ui/{name}.js"
        return f"/shared/ui/{name}.js"

    def render(
        self,
        request: Request,
        name: str,
        heading: str,
        data: dict[str, object],
        status: int = 200,
        body: str = "",
    ) -> Response:
        """A page: `data` are its component's props, `body` is whole HTML."""
        content = self.template.render(
            title=heading if name == "home" else f"{heading} · Party Chat",
            heading=heading,
            page=name,
            module=self.module(name),
            importmap=IMPORT_MAP,
            island=island(data),
            body=body,
            links=self.links,
            current=request.scope["path"],
            stage=self.stage,
            build=self.build,
            party_host=settings().party_host,
            invitation=join.invitation(request) if name == "home" else None,
            answers_with=" · ".join(self.notes) if name in TALKING else None,
        )
        policy = content_security_policy(
            request.headers.get("host", ""),
            urlsplit(settings().public_url).netloc,
            settings().party_host,
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
        }
        return HTMLResponse(content, status, headers)


def page(request: Request, name: str, heading: str, **data: object) -> Response:
    """Answer with the page `ui/NAME.js`, which gets `data` as its props."""
    shell: Shell = request.app.state.shell
    return shell.render(request, name, heading, data)


def island(data: dict[str, object]) -> str:
    """Data as JSON that no text in it can end or turn into markup."""
    text = to_json(data).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
