"""What the presenter may do: to the AI, to cursors, to names, to rooms."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.exceptions import HTTPException

from ..chats import CHATS
from ..house import house
from ..messages import Message, history, presenter
from ..names import bare
from ..party.parties import Parties

MOST_NAMES = 20
"""How many of those who spoke lately are told."""

TITLES = {chat.slug: chat.name for chat in CHATS}


class Strict(BaseModel):
    """An action, with nothing beside it."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Simple(Strict):
    """What concerns all rooms."""

    action: Literal["pause", "resume", "hide_cursors", "show_cursors"]


class Named(Strict):
    """What concerns a name."""

    action: Literal["mute", "unmute"]
    name: str = Field(min_length=1, max_length=40)


class Clear(Strict):
    """What concerns a room."""

    action: Literal["clear"]
    party: str
    room: str


actions = TypeAdapter[Simple | Named | Clear](
    Annotated[Simple | Named | Clear, Field(discriminator="action")]
)


class Hand:
    """Takes the presenter's actions, and says how things are."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties

    async def act(self, action: Simple | Named | Clear) -> None:
        """Do something, and tell everybody at once."""
        if isinstance(action, Clear):
            await self.clear(action.party, action.room)
            return
        if isinstance(action, Named):
            do = house.mute if action.action == "mute" else house.unmute
            do(action.name)
        elif action.action in ("pause", "resume"):
            house.pause() if action.action == "pause" else house.resume()
        else:
            house.cursors_hidden = action.action == "hide_cursors"
        self.tell()

    def tell(self) -> None:
        """Tell all chat rooms what holds now."""
        for place in self.parties.store.logs(Message):
            if room := self.parties.room(*place):
                room.broadcast(presenter())

    async def clear(self, party: str, id: str) -> None:
        """Forget what was said in a room, and what the AI would say to it."""
        log = self.parties.store.logs(Message).get((party, id))
        if log is None:
            raise HTTPException(404, "There is no such room.")
        await log.clear()
        if room := self.parties.room(party, id):
            room.interrupt()
            room.broadcast(history(log))

    def state(self) -> dict[str, Any]:
        """What the presenter's page shows."""
        logs = self.parties.store.logs(Message)
        return {
            "paused": house.paused,
            "cursors_hidden": house.cursors_hidden,
            "muted": list(house.muted.values()),
            "names": self.names(),
            "shared": bool(self.parties.servers),
            "rooms": [self.about(*place, len(logs[place])) for place in logs],
        }

    def about(self, party: str, id: str, messages: int) -> dict[str, Any]:
        """A room, as the presenter sees it."""
        room = self.parties.room(party, id)
        return {
            "party": party,
            "room": id,
            "title": TITLES.get(id, id),
            "people": len(room.present) if room else 0,
            "messages": messages,
        }

    def names(self) -> list[str]:
        """Who spoke lately, the last first, and is not muted."""
        logs = self.parties.store.logs(Message).values()
        said = [each for log in logs for each in log[-100:]]
        names = {
            bare(each.user): each.user
            for each in reversed(said)
            if each.role == "user" and not house.silences(each.user)
        }
        return list(names.values())[:MOST_NAMES]
