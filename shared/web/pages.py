"""The pages' shell: one template, an import map, data, and a module."""

import gzip
from collections.abc import Callable
from functools import lru_cache
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

from ..settings import settings
from .assets import UI, Assets
from .csp import content_security_policy
from .static_files import takes_gzip

TALKING = ("room", "usage")
"""The pages that say which model answers."""


def templates() -> Environment:
    """Return the templates of all pages."""
    return Environment(
        loader=FileSystemLoader(UI), autoescape=select_autoescape()
    )


class Shell:
    """The pages of one stage, around the modules in its `ui` folder."""

    def __init__(
        self,
        stage: str,
        folder: Path,
        invite: Callable[[Request], object] = lambda _: None,
    ) -> None:
        self.stage = stage
        self.invite = invite
        self.ui = folder / "ui"
        self.notes: list[str] = []
        self.root = settings().root_path
        self.assets = Assets(stage, self.ui, self.root)
        self.build = ""
        self.links: dict[str, str] = {}
        self.templates = templates()

    @property
    def template(self) -> Template:
        """That of all pages, as it was saved last."""
        return self.templates.get_template("pages/page.html")

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
        links = self.assets.links(name)
        content = self.template.render(
            title=heading if name == "home" else f"{heading} · Party Chat",
            heading=heading,
            page=name,
            files=links,
            island=island(data),
            body=body,
            links=self.links,
            current=request.scope["path"].removeprefix(self.root),
            root=self.root,
            stage=self.stage,
            build=self.build,
            parties=settings().parties_url,
            invitation=self.invite(request) if name == "home" else None,
            answers_with=" · ".join(self.notes) if name in TALKING else None,
        )
        policy = content_security_policy(
            [links.loading, links.import_map],
            request.headers.get("host", ""),
            urlsplit(settings().public_url).netloc,
            urlsplit(settings().parties_url).netloc,
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
        }
        return packed(request, HTMLResponse(content, status, headers))


def page(request: Request, name: str, heading: str, **data: object) -> Response:
    """Answer with the page `ui/NAME.js`, which gets `data` as its props."""
    shell: Shell = request.app.state.shell
    return shell.render(request, name, heading, data)


def packed(request: Request, response: Response) -> Response:
    """A response, compressed if the browser takes that."""
    response.headers["Vary"] = "Accept-Encoding"
    if takes_gzip(request.scope):
        response.body = compressed(bytes(response.body))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


@lru_cache(maxsize=16)
def compressed(body: bytes) -> bytes:
    """Compress a page, once for all who get the same."""
    return gzip.compress(body, 6, mtime=0)


def island(data: dict[str, object]) -> str:
    """Data as JSON that no text in it can end or turn into markup."""
    text = to_json(data).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
