"""The app after the last stage: one page, at the address of each page."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.app import create_app
from shared.presenter.invite import Invitation
from shared.settings import settings
from shared.web.pages import render_page

from ..stages import STEPS, step_files
from .totals import read_totals

STEP_PROPS = [
    {"idea": step.idea, "added": step_files(level)[1]}
    for level, step in STEPS.items()
]


async def the_end(request: Request) -> Response:
    """Return the closing page."""
    repository = settings().repository_url
    return render_page(
        request,
        "the_end",
        "The end",
        steps=STEP_PROPS,
        totals=read_totals(settings().store),
        repository=repository,
        qr_code=repository and Invitation(repository).qr_code,
    )


routes = [
    Route(path, the_end)
    for path in ("/", "/chats", "/chats/{slug}", "/usage", "/whats-new")
]

app = create_app(__package__, routes, {}, [])
app.state.renderer.stage = "the_end"
