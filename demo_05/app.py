"""Stage 5: everybody sees everybody's cursors."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.ai import run_model
from shared.app import Parties, Services, create_app
from shared.chat.rooms import CHATS, find_chat
from shared.web.pages import render_page

from .party.chat_room import ChatRoom
from .party.presence import PresenceRoom
from .party.usage import Usage


async def home(request: Request) -> Response:
    """Return the start page."""
    return render_page(request, "home", "Party Chat")


async def chats(request: Request) -> Response:
    """Return the list of chat rooms."""
    return render_page(request, "chats", "All Chats", rooms=CHATS)


async def room(request: Request) -> Response:
    """Return the page of a chat room."""
    chat = find_chat(request.path_params["slug"])
    return render_page(request, "room", chat.name, room=chat)


async def usage(request: Request) -> Response:
    """Return the page with the number of tokens."""
    return render_page(request, "usage", "Usage")


routes = [
    Route("/", home),
    Route("/chats", chats),
    Route("/chats/{slug}", room),
    Route("/usage", usage),
]

parties: Parties = {
    # the name of a party in the URL: its class
    "chatroom": ChatRoom,
    "usage": Usage,
    "presence": PresenceRoom,
}

services: Services = [
    # started and stopped with the app
    run_model,
]

app = create_app(__package__, routes, parties, services)
