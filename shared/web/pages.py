"""Render the pages: one template, an import map, data, and a module."""

import gzip
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..settings import settings
from .assets import UI, Assets
from .security_headers import content_security_policy
from .static_files import accepts_gzip

AI_STATUS_PAGES = ("room", "usage")
"""The pages that show which model answers."""


def templates() -> Environment:
    """Return the templates of all pages."""
    return Environment(
        loader=FileSystemLoader(UI), autoescape=select_autoescape()
    )


class PageRenderer:
    """The pages of one stage; its modules are in its `ui` folder.

    `invite` returns the invitation on the start page, None for none.
    """

    def __init__(
        self,
        stage: str,
        folder: Path,
        invite: Callable[[Request], object] = lambda _: None,
    ) -> None:
        self.stage = stage
        self.invite = invite
        self.ui = folder / "ui"
        self.status_lines: list[str] = []
        self.root = settings().root_path
        self.assets = Assets(stage, self.ui, self.root)
        self.build = ""
        self.footer_links: dict[str, str] = {}
        self.templates = templates()

    def render(
        self,
        request: Request,
        name: str,
        heading: str,
        data: dict[str, object],
        status: int = 200,
        body: str = "",
    ) -> Response:
        """Return a page; `data` is its component's props, `body` is HTML."""
        assets = self.assets.of_page(name)
        shows_ai = name in AI_STATUS_PAGES
        ai_status = " · ".join(self.status_lines) if shows_ai else ""
        # The template as it was saved last.
        content = self.templates.get_template("pages/page.html").render(
            title=heading if name == "home" else f"{heading} · Party Chat",
            heading=heading,
            page=name,
            assets=assets,
            data=json_for_script(data),
            body=body,
            footer_links=self.footer_links,
            current=request.scope["path"].removeprefix(self.root),
            root=self.root,
            stage=self.stage,
            build=self.build,
            parties=settings().parties_url,
            invitation=self.invite(request) if name == "home" else None,
            has_guests=settings().has_guests,
            ai_status=ai_status,
        )
        policy = content_security_policy(
            [assets.loading, assets.import_map],
            request.headers.get("host", ""),
            urlsplit(settings().public_url).netloc,
            urlsplit(settings().parties_url).netloc,
        )
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
        }
        return gzip_response(request, HTMLResponse(content, status, headers))


def render_page(
    request: Request, name: str, heading: str, **data: object
) -> Response:
    """Return the page of `ui/NAME.js`, which gets `data` as its props."""
    renderer: PageRenderer = request.app.state.renderer
    return renderer.render(request, name, heading, data)


def gzip_response(request: Request, response: Response) -> Response:
    """Compress a response, if the browser accepts that."""
    response.headers["Vary"] = "Accept-Encoding"
    if accepts_gzip(request.scope):
        response.body = compressed(bytes(response.body))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


@lru_cache(maxsize=16)
def compressed(body: bytes) -> bytes:
    """Compress a page, once for all who get the same bytes."""
    return gzip.compress(body, 6, mtime=0)


def json_for_script(data: dict[str, object]) -> str:
    """Return JSON for a <script>, which no text in it can end."""
    text = to_json(data).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
