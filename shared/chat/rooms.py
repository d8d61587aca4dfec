"""The list of chat rooms."""

from pydantic import BaseModel
from starlette.exceptions import HTTPException


class Chat(BaseModel):
    """A chat room: its name in the URL, its title and its purpose."""

    slug: str
    name: str
    description: str


CHATS = [
    Chat(
        slug="hello-world",
        name="Hello, World!",
        description="Come in and say hello to whoever is here",
    ),
    Chat(
        slug="party-chat",
        name="Party Chat",
        description="Parties, rooms and connections: how this app works",
    ),
    Chat(
        slug="on-page-help",
        name="On-Page Help",
        description="What if every page had a room of its own?",
    ),
    Chat(
        slug="room-4",
        name="Room #4",
        description="One more room, for whatever you like",
    ),
]

ROOM_IDS = [chat.slug for chat in CHATS]


def find_chat(slug: str) -> Chat:
    """Return the chat room of a slug; raise a 404 if there is none."""
    for chat in CHATS:
        if chat.slug == slug:
            return chat
    raise HTTPException(404)
