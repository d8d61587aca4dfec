"""The chat rooms that there are."""

from pydantic import BaseModel
from starlette.exceptions import HTTPException


class Chat(BaseModel):
    """A chat room: its name in the URL, its title, and what it is for."""

    slug: str
    name: str
    about: str


CHATS = [
    Chat(
        slug="hello-world",
        name="Hello, World!",
        about="Come in and say hello to whoever is here",
    ),
    Chat(
        slug="party-chat",
        name="Party Chat",
        about="Parties, rooms and connections: how this app works",
    ),
    Chat(
        slug="on-page-help",
        name="On-Page Help",
        about="What if every page had a room of its own?",
    ),
    Chat(
        slug="room-4",
        name="Room #4",
        about="One more room, for whatever you like",
    ),
]

SLUGS = [chat.slug for chat in CHATS]


def find_chat(slug: str) -> Chat:
    """The chat room of that slug, or a 404."""
    for chat in CHATS:
        if chat.slug == slug:
            return chat
    raise HTTPException(404)
