"""What the presenter may do: to the AI, to cursors, to names, to rooms."""

from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException

from ..chat.messages import Message, history, presenter
from ..chat.moderation import moderation
from ..chat.names import normalize_name
from ..chat.rooms import CHATS
from ..party.registry import PartyRegistry
from .actions import ClearAction, GlobalAction, NameAction

MAX_LISTED_NAMES = 20
"""How many of those who spoke lately are told."""
MAX_RECENT_SPEAKERS = 200
"""How many are remembered, so that there are enough who are not muted."""
MAX_LOADED_ROOMS = 100
"""How many rooms are listed that nobody has entered since the start."""

TITLES = {chat.slug: chat.name for chat in CHATS}


class PresenterControls:
    """Takes the presenter's actions, and says how things are."""

    def __init__(self, parties: PartyRegistry) -> None:
        self.parties = parties
        self.recent_speakers: dict[str, str] = {}
        self._rooms_loaded = False

    async def load_rooms(self) -> None:
        """Have rooms at hand that outlived the server before this one."""
        if self._rooms_loaded:
            return
        self._rooms_loaded = True
        for place in await self.parties.store.asleep(MAX_LOADED_ROOMS):
            with suppress(HTTPException):
                async with self.parties.enter(*place):
                    pass

    async def apply(
        self, action: GlobalAction | NameAction | ClearAction
    ) -> None:
        """Do something, and tell everybody at once."""
        if isinstance(action, ClearAction):
            await self.clear(action.party, action.room)
            return
        if isinstance(action, NameAction):
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
        broadcast_moderation(self.parties)

    async def clear(self, party: str, id: str) -> None:
        """Forget what was said in a room, and what the AI would say to it."""
        log = self.parties.store.logs(Message).get((party, id))
        if log is None:
            raise HTTPException(404, "There is no such room.")
        self._note_speakers()
        room = self.parties.room(party, id)
        if room:
            # Before: what they still append is forgotten with all else.
            room.cancel_hooks()
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
            "names": self.unmuted_speakers(),
            "shared": bool(self.parties.servers),
            "rooms": [
                self._room_summary(*place, len(logs[place])) for place in logs
            ],
        }

    def _room_summary(
        self, party: str, id: str, messages: int
    ) -> dict[str, Any]:
        """A room, as the presenter sees it."""
        room = self.parties.room(party, id)
        return {
            "party": party,
            "room": id,
            "title": TITLES.get(id, id),
            "people": len(room.connections_by_id) if room else 0,
            "messages": messages,
        }

    def unmuted_speakers(self) -> list[str]:
        """Who spoke lately, the last first, and is not muted."""
        self._note_speakers()
        names = list(self.recent_speakers.values())
        spoke = [each for each in names[::-1] if not moderation.is_muted(each)]
        return spoke[:MAX_LISTED_NAMES]

    def _note_speakers(self) -> None:
        """Remember who spoke: whom to mute, when a room is cleared by then."""
        for log in self.parties.store.logs(Message).values():
            for each in log[-100:]:
                if each.role == "user":
                    self.recent_speakers.pop(normalize_name(each.user), None)
                    self.recent_speakers[normalize_name(each.user)] = each.user
        for name in list(self.recent_speakers)[:-MAX_RECENT_SPEAKERS]:
            del self.recent_speakers[name]


def broadcast_moderation(parties: PartyRegistry) -> None:
    """Tell all chat rooms what holds now."""
    for place in parties.store.logs(Message):
        if room := parties.room(*place):
            room.broadcast(presenter())
