"""Routes of the presenter's page, which needs the key in its link."""

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..party import MessageRejected, PartyRegistry
from ..party.responses import error_response
from ..web.origin_policy import OriginPolicy
from ..web.pages import PageRenderer, render_page
from .auth import KeyGuard, quoted_key
from .controls import PresenterControls, parse_action

ACTION_HELP = (
    "An action is pause, resume, answer_only_presenter, play_recordings, "
    "ask_model, hide_cursors or show_cursors; mute or unmute, with a name of 1 "
    "to 40 characters; clear or hide_reply, with a party and a room; or "
    "cut_connections, stall_ai or restart."
)


def presenter_routes(
    renderer: PageRenderer, parties: PartyRegistry, policy: OriginPolicy
) -> list[BaseRoute]:
    """Return the routes of the page and its actions; none without a key."""
    if not quoted_key():
        return []
    parties.context.app.moderation.load()
    controls, guard = PresenterControls(parties), KeyGuard(policy)
    parties.context.app.is_presenter = guard.is_presenter

    async def handle_action(request: Request) -> Response:
        """Apply an action, if there is one, and answer with the state."""
        try:
            guard.check(request)
            await controls.load_rooms()
            if request.method == "POST":
                await controls.apply(parse_action(await request.body()))
            await controls.faults.count_lost()
        except ValidationError:
            return error_response(MessageRejected(ACTION_HELP))
        except (HTTPException, MessageRejected) as error:
            return error_response(error)
        state = {"ai": renderer.status_lines, **controls.state()}
        response = JSONResponse(state, headers={"Cache-Control": "no-store"})
        guard.set_cookie(request, response)
        return response

    return [
        Route("/presenter", show_presenter_page),
        Route("/presenter", handle_action, methods=["POST"]),
        Route("/presenter/state", handle_action),
    ]


async def show_presenter_page(request: Request) -> Response:
    """Answer with the page, which is empty without the key."""
    return render_page(request, "presenter", "Presenter")
