"""A stage's app: its own pages and parties, and all that stands around."""

import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

from pydantic import AfterValidator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from .ai.budget import DailyUsage, budget
from .ai.replay.recordings import parse_replay, read_recordings
from .chat.moderation import moderation
from .chat.parsing import check_name_error
from .party.asgi import Edge
from .party.registry import Parties as Live
from .party.rooms import Server
from .party.storage.url import open_store
from .presenter.controls import broadcast_moderation
from .presenter.invite import get_invitation
from .presenter.page import presenter_routes
from .settings import Settings, settings
from .web.body_limit import BodyLimit
from .web.browser_id import Browsers, identify
from .web.build_watcher import Build
from .web.origin_policy import HostOriginMiddleware, OriginPolicy
from .web.origins import HostPatterns, OriginPatterns, PartyHost, PublicURL
from .web.pages import Shell
from .web.security_headers import SafeApp
from .whats_new.page import whats_new_routes


class Service(Protocol):
    """Something that starts and stops with the app."""

    status_line: str
    """What the pages and the terminal say about it."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def check_recordings(ai: str) -> str:
    """Return the value of AI, or raise ValueError for a file of no use."""
    if ai.startswith("replay:"):
        read_recordings(parse_replay(ai)[0])
    return ai


class CheckedSettings(Settings):
    """Settings with the checks that need `shared.ai` and `shared.web`."""

    ai: Annotated[str, AfterValidator(check_recordings)] = ""
    public_url: PublicURL = ""
    party_host: PartyHost = ""
    allowed_hosts: HostPatterns = []
    allowed_origins: OriginPatterns = []


Parties: TypeAlias = Mapping[str, type[Server]]
Services: TypeAlias = Sequence[Service]


def party_chat(
    stage: str,
    routes: Sequence[BaseRoute],
    parties: Parties,
    services: Services,
) -> Starlette:
    """The Starlette app of the package `stage`.

    `routes` are its pages, `parties` the classes behind `/parties/NAME/…`,
    `services` what is to run as long as the app does.
    """
    module = importlib.import_module(stage)
    folder = Path(str(module.__file__)).parent
    shell = Shell(stage, folder, get_invitation)
    policy = OriginPolicy(
        settings().allowed_hosts,
        settings().allowed_origins,
        settings().public_url,
    )
    kept = open_store(settings().store, settings().history_limit)
    live = Live(parties, settings().bounds, kept)
    build = Build(shell, live)
    moderation.notify = partial(broadcast_moderation, live)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(build.watched())
            await live.store.start()
            stack.push_async_callback(live.store.stop)
            await live.store.load("ai", "tokens")
            stack.push_async_callback(budget.stop)
            budget.start(live.store.log("ai", "tokens", DailyUsage))
            for service in services:
                stack.push_async_callback(service.stop)
                await service.start()
                shell.notes.append(service.status_line)
            yield
            await live.shutdown(settings().graceful_seconds)

    app = SafeApp(
        routes=[
            Mount("/parties", Edge(live, identify)),
            *routes,
            Route("/healthz", healthy),
            Route("/name", check_name),
            *shell.assets.routes,
            *build.routes,
            *whats_new_routes(shell),
            *presenter_routes(shell, live, policy),
        ],
        middleware=[
            Middleware(HostOriginMiddleware, policy=policy),
            Middleware(Browsers, policy=policy),
            Middleware(BodyLimit, most=settings().max_body_bytes),
        ],
        exception_handlers={404: missing},
        lifespan=lifespan,
    )
    app.state.shell = shell
    app.state.parties = live
    return app


async def healthy(request: Request) -> Response:
    """Say that the app runs."""
    return PlainTextResponse("ok\n")


async def check_name(request: Request) -> Response:
    """Answer with why a room refuses a name; with nothing if it does not."""
    name = request.query_params.get("name", "")
    return PlainTextResponse(check_name_error(name) or "")


async def missing(request: Request, error: Exception) -> Response:
    """A page for what does not exist, with a way back."""
    assert isinstance(error, HTTPException)
    shell: Shell = request.app.state.shell
    return shell.render(request, "not_found", "No such page", {}, 404)
