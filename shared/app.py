"""create_app: a stage's pages and parties, with everything around them."""

import importlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from .ai.context import AppContext
from .ai.replay.recordings import parse_replay, read_recordings
from .ai.tokens import DailyUsage
from .chat.moderation import MUTED
from .chat.parsing import user_error
from .party import PartyApp, PartyRegistry, Server
from .party.storage.store import open_store
from .presenter.controls import broadcast_moderation
from .presenter.invite import get_invitation, show_invitation
from .presenter.page import presenter_routes
from .settings import Settings, settings
from .web.body_limit import BodyLimitMiddleware
from .web.browser_id import BrowserIdMiddleware, get_browser_id
from .web.build_watcher import BuildWatcher
from .web.origin_policy import HostOriginMiddleware, OriginPolicy
from .web.origins import HostPatterns, OriginPatterns, PartyHost, PublicURL
from .web.pages import PageRenderer
from .web.security_headers import WebApp
from .whats_new.page import whats_new_routes


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
Services: TypeAlias = Sequence[
    Callable[[AppContext], AbstractAsyncContextManager[str]]
]
"""Each runs with the app, and yields a line for the pages and the terminal."""


def create_app(
    stage: str,
    routes: Sequence[BaseRoute],
    parties: Parties,
    services: Services,
) -> Starlette:
    """Return the Starlette app of the package `stage`.

    `routes` are its pages; `parties` are the classes behind
    `/parties/NAME/…`; `services` start and stop with the app.
    Raises ValueError for hosts or origins that are malformed.
    """
    module = importlib.import_module(stage)
    folder = Path(str(module.__file__)).parent
    renderer = PageRenderer(stage, folder, get_invitation)
    policy = OriginPolicy(
        settings().allowed_hosts,
        settings().allowed_origins,
        settings().public_url,
    )
    store = open_store(settings().store, settings().history_limit)
    context = AppContext()
    registry = PartyRegistry(parties, settings().limits, store, context=context)
    build = BuildWatcher(renderer, registry)
    context.moderation.notify = partial(broadcast_moderation, registry)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(build.watching())
            await store.start()
            stack.push_async_callback(store.stop)
            await store.load("ai", "tokens")
            stack.push_async_callback(context.budget.stop)
            context.budget.start(store.log("ai", "tokens", DailyUsage))
            for service in services:
                status_line = await stack.enter_async_context(service(context))
                renderer.status_lines.append(status_line)
            yield
            await registry.shutdown(settings().graceful_seconds)

    app = WebApp(
        routes=[
            Mount("/parties", PartyApp(registry, get_browser_id)),
            *routes,
            Route("/healthz", check_health),
            Route("/name", check_name),
            Route("/invitation", show_invitation),
            *renderer.assets.routes,
            *build.routes,
            *whats_new_routes(renderer),
            *presenter_routes(renderer, registry, policy),
        ],
        middleware=[
            Middleware(HostOriginMiddleware, policy=policy),
            Middleware(BrowserIdMiddleware, policy=policy),
            Middleware(
                BodyLimitMiddleware, max_bytes=settings().max_body_bytes
            ),
        ],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )
    app.state.renderer = renderer
    app.state.parties = registry
    app.state.context = context
    return app


async def check_health(request: Request) -> Response:
    """Answer a health check."""
    return PlainTextResponse("ok\n")


async def check_name(request: Request) -> Response:
    """Answer with the error of a name that rooms refuse, or with nothing."""
    name = request.query_params.get("name", "")
    context: AppContext = request.app.state.context
    is_muted = context.moderation.is_muted(name)
    return PlainTextResponse(MUTED if is_muted else user_error(name) or "")


async def not_found(request: Request, error: Exception) -> Response:
    """Answer with the page for 404, which has links to the others."""
    assert isinstance(error, HTTPException)
    renderer: PageRenderer = request.app.state.renderer
    return renderer.render(request, "not_found", "No such page", {}, 404)
