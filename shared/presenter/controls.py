"""Apply the presenter's actions to the AI, cursors, names and rooms."""

from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.exceptions import HTTPException

from ..chat.messages import Message, recent_messages
from ..chat.moderation import Moderation
from ..chat.names import normalize_name
from ..chat.rooms import CHATS
from ..party import Log, PartyRegistry
from .faults import FaultName, Faults

MAX_LISTED_NAMES = 20
"""Recent speakers that the page lists."""
MAX_RECENT_SPEAKERS = 200
"""Recent speakers in memory, so that enough of them are not muted."""
MAX_LOADED_ROOMS = 100
"""Stored rooms to list that nobody has entered since the start."""

TITLES = {chat.slug: chat.name for chat in CHATS}


class StrictAction(BaseModel):
    """An action, without any other fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class GlobalAction(StrictAction):
    """An action on all rooms."""

    action: Literal[
        "pause",
        "resume",
        "answer_only_presenter",
        "play_recordings",
        "ask_model",
        "hide_cursors",
        "show_cursors",
    ]


class NameAction(StrictAction):
    """An action on a name."""

    action: Literal["mute", "unmute"]
    name: str = Field(min_length=1, max_length=40)


class RoomAction(StrictAction):
    """An action on a room."""

    action: Literal["clear", "hide_reply"]
    party: str
    room: str


class FaultAction(StrictAction):
    """A fault that is caused on purpose."""

    action: FaultName


Action: TypeAlias = GlobalAction | NameAction | RoomAction | FaultAction

parse_action = TypeAdapter[Action](
    Annotated[Action, Field(discriminator="action")]
).validate_json
"""Parse an action that the presenter's page sends."""


class PresenterControls:
    """Applies the presenter's actions, and reports the state."""

    def __init__(self, parties: PartyRegistry) -> None:
        self.parties = parties
        self.moderation: Moderation = parties.context.app.moderation
        self.faults = Faults(parties)
        self.recent_speakers: dict[str, str] = {}
        self._rooms_loaded = False

    async def load_rooms(self) -> None:
        """Load the stored rooms, once."""
        if self._rooms_loaded:
            return
        self._rooms_loaded = True
        for place in await self.parties.store.unloaded_rooms(MAX_LOADED_ROOMS):
            with suppress(HTTPException):
                async with self.parties.enter(*place):
                    pass

    async def apply(self, action: Action) -> None:
        """Apply an action, and broadcast the result."""
        if isinstance(action, RoomAction):
            change = self.clear if action.action == "clear" else self.hide_reply
            await change(action.party, action.room)
            return
        if isinstance(action, FaultAction):
            self.faults.cause(action.action)
            return
        if isinstance(action, NameAction):
            if action.action == "mute":
                self.moderation.mute(action.name)
            else:
                self.moderation.unmute(action.name)
        elif action.action == "pause":
            self.moderation.pause()
        elif action.action == "resume":
            self.moderation.resume()
        elif action.action == "answer_only_presenter":
            self.moderation.resume(only_presenter=True)
        elif action.action == "play_recordings":
            self.moderation.play_recordings()
        elif action.action == "ask_model":
            self.moderation.recordings_only = False
        else:
            self.moderation.cursors_hidden = action.action == "hide_cursors"
        self.moderation.save()
        broadcast_moderation(self.parties)

    async def clear(self, party: str, id: str) -> None:
        """Delete a room's messages, and cancel its replies."""
        log = self._log(party, id)
        self._note_speakers()
        self.faults.forget(party, id)
        room = self.parties.room(party, id)
        if room:
            # First, as replies append once more when they are cancelled.
            room.cancel_hooks()
        try:
            await log.clear()
        finally:
            if room:
                room.broadcast(
                    {
                        "type": "history",
                        "epoch": log.epoch,
                        "presenter": self.moderation.restrictions(),
                        "messages": recent_messages(log),
                    }
                )

    async def hide_reply(self, party: str, id: str) -> None:
        """Hide the text of a room's newest reply, and cancel it first."""
        log, room = self._log(party, id), self.parties.room(party, id)
        reply = newest_reply(log)
        if reply is None:
            raise HTTPException(404, "There is no reply in this room.")
        if reply.hidden:
            return
        if room and reply.is_open:
            room.cancel_hooks(self.moderation.replying)
        reply.hide()
        if room:
            frame = {"type": "update", "message": reply}
            room.broadcast(frame, key=reply.id, final=True)
        await log.update(reply)

    def _log(self, party: str, id: str) -> Log[Message]:
        """Return the log of a room, or raise HTTPException."""
        log = self.parties.store.logs(Message).get((party, id))
        if log is None:
            raise HTTPException(404, "There is no such room.")
        return log

    def state(self) -> dict[str, Any]:
        """Return the data of the presenter's page."""
        logs = self.parties.store.logs(Message)
        return {
            "answers": self.moderation.answers,
            "recordings_only": self.moderation.recordings_only,
            "has_model": self.parties.context.app.model.kind
            not in ("none", "replay"),
            "cursors_hidden": self.moderation.cursors_hidden,
            "muted": list(self.moderation.muted.values()),
            "names": self.unmuted_speakers(),
            "shared": bool(self.parties.servers),
            "faults": self.faults.state(),
            "rooms": [
                self._room_summary(*place, log) for place, log in logs.items()
            ],
        }

    def _room_summary(
        self, party: str, id: str, log: Log[Message]
    ) -> dict[str, Any]:
        """Return a room's data for the presenter's page."""
        room = self.parties.room(party, id)
        return {
            "party": party,
            "room": id,
            "title": TITLES.get(id, id),
            "people": len(room.connections_by_id) if room else 0,
            "messages": len(log),
            "has_reply": newest_reply(log) is not None,
        }

    def unmuted_speakers(self) -> list[str]:
        """Return recent speakers who are not muted, the latest first."""
        self._note_speakers()
        names = list(self.recent_speakers.values())
        spoke = [
            each for each in names[::-1] if not self.moderation.is_muted(each)
        ]
        return spoke[:MAX_LISTED_NAMES]

    def _note_speakers(self) -> None:
        """Remember who spoke, even after a room is cleared."""
        for log in self.parties.store.logs(Message).values():
            for each in log[-100:]:
                if each.role == "user":
                    self.recent_speakers.pop(normalize_name(each.user), None)
                    self.recent_speakers[normalize_name(each.user)] = each.user
        for name in list(self.recent_speakers)[:-MAX_RECENT_SPEAKERS]:
            del self.recent_speakers[name]


def newest_reply(log: Log[Message]) -> Message | None:
    """Return the newest reply of the AI in a log."""
    replies = (each for each in reversed(log) if each.role == "assistant")
    return next(replies, None)


def broadcast_moderation(parties: PartyRegistry) -> None:
    """Send the restrictions to everybody in all chat rooms."""
    frame = {
        "type": "presenter",
        **parties.context.app.moderation.restrictions(),
    }
    for place in parties.store.logs(Message):
        if room := parties.room(*place):
            room.broadcast(frame)
