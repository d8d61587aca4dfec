"""The presenter's hand on the room: a page that only their link opens."""

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..chat.moderation import moderation
from ..party import Refused
from ..party.registry import Parties
from ..party.responses import error_response
from ..web.origin_policy import Doors
from ..web.pages import Shell, page
from .actions import actions
from .auth import KeyGuard, key
from .controls import Hand

RULES = (
    "An action is pause, resume, hide_cursors or show_cursors; mute or "
    "unmute, with a name of 1 to 40 characters; or clear, with a party and "
    "a room."
)


def routes(shell: Shell, parties: Parties, doors: Doors) -> list[BaseRoute]:
    """The page, and what it may do; nothing, where there is no key."""
    if not key():
        return []
    moderation.load()
    hand, guard = Hand(parties), KeyGuard(doors)

    async def act(request: Request) -> Response:
        """Do what the presenter decided; answers with how things are."""
        try:
            guard.check(request)
            await hand.wake()
            if request.method == "POST":
                await hand.act(actions.validate_json(await request.body()))
        except ValidationError:
            return error_response(Refused(RULES))
        except (HTTPException, Refused) as error:
            return error_response(error)
        state = {"ai": shell.notes, **hand.state()}
        response = JSONResponse(state, headers={"Cache-Control": "no-store"})
        guard.exempt(request, response)
        return response

    return [
        Route("/presenter", open_page),
        Route("/presenter", act, methods=["POST"]),
        Route("/presenter/state", act),
    ]


async def open_page(request: Request) -> Response:
    """The page is for everybody: without the key, it shows nothing."""
    return page(request, "presenter", "Presenter")
