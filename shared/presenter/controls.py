"""What the presenter may do: to the AI, to cursors, to names, to rooms."""

from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException

from ..chat.messages import Message, history, presenter
from ..chat.moderation import moderation
from ..chat.names import normalize_name
from ..chat.rooms import CHATS
from ..party.registry import Parties
from .actions import Clear, Named, Simple

MOST_NAMES = 20
"""How many of those who spoke lately are told."""
MOST_HEARD = 200
"""How many are remembered, so that there are enough who are not muted."""
MOST_WOKEN = 100
"""How many rooms are listed that nobody has entered since the start."""

TITLES = {chat.slug: chat.name for chat in CHATS}


class Hand:
    """Takes the presenter's actions, and says how things are."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self.heard: dict[str, str] = {}
        self.awake = False

    async def wake(self) -> None:
        """Have rooms at hand that outlived the server before this one."""
        if self.awake:
            return
        self.awake = True
        for place in await self.parties.store.asleep(MOST_WOKEN):
            with suppress(HTTPException):
                async with self.parties.enter(*place):
                    pass

    async def act(self, action: Simple | Named | Clear) -> None:
        """Do something, and tell everybody at once."""
        if isinstance(action, Clear):
            await self.clear(action.party, action.room)
            return
        if isinstance(action, Named):
            if action.action == "mute":
                moderation.mute(action.name)
            else:
                moderation.unmute(action.name)
        elif action.action == "pause":
            moderation.pause()
        elif action.action == "resume":
            moderation.resume()
        else:
            moderation.cursors_hidden = action.action == "hide_cursors"
        moderation.save()
        tell(self.parties)

    async def clear(self, party: str, id: str) -> None:
        """Forget what was said in a room, and what the AI would say to it."""
        log = self.parties.store.logs(Message).get((party, id))
        if log is None:
            raise HTTPException(404, "There is no such room.")
        self.listen()
        room = self.parties.room(party, id)
        if room:
            # Before: what they still append is forgotten with all else.
            room.interrupt()
        try:
            await log.clear()
        finally:
            if room:
                room.broadcast(history(log))

    def state(self) -> dict[str, Any]:
        """What the presenter's page shows."""
        logs = self.parties.store.logs(Message)
        return {
            "paused": moderation.paused,
            "cursors_hidden": moderation.cursors_hidden,
            "muted": list(moderation.muted.values()),
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
        self.listen()
        names = list(self.heard.values())
        spoke = [each for each in names[::-1] if not moderation.is_muted(each)]
        return spoke[:MOST_NAMES]

    def listen(self) -> None:
        """Remember who spoke: whom to mute, when a room is cleared by then."""
        for log in self.parties.store.logs(Message).values():
            for each in log[-100:]:
                if each.role == "user":
                    self.heard.pop(normalize_name(each.user), None)
                    self.heard[normalize_name(each.user)] = each.user
        for name in list(self.heard)[:-MOST_HEARD]:
            del self.heard[name]


def tell(parties: Parties) -> None:
    """Tell all chat rooms what holds now."""
    for place in parties.store.logs(Message):
        if room := parties.room(*place):
            room.broadcast(presenter())
