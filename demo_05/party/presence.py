"""Presence: who is in a room, and what each of them does right now."""

import asyncio
from typing import Any

from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server
from shared.web.country import get_country

from .presence_schema import User, pack, unpack

TICK = 1 / 60


class PresenceRoom(Server):
    """Tells everybody what the others do, and keeps nothing of it."""

    rooms = ROOM_IDS
    max_frame_bytes = 1024
    max_frames_per_second = 120

    def on_start(self) -> None:
        """Begin with nobody."""
        self.users: dict[str, User] = {}
        self.heard: list[tuple[Frame, Connection]] = []
        self.changes: dict[str, Any] = {}

    def on_message(self, frame: Frame, sender: Connection) -> None:
        """Put aside what somebody does, until everybody is told."""
        self.heard.append((frame, sender))
        self.change()

    def on_close(self, connection: Connection) -> None:
        """Have everybody told, unless they are back by then."""
        self.change()

    def change(self, add: Any = (), presence: Any = ()) -> None:
        """Gather changes, of which everybody is told soon."""
        if not self.changes:
            self.changes = {"add": {}, "presence": {}, "remove": []}
            asyncio.get_running_loop().call_later(TICK, self.tell)
        self.changes["add"].update(add)
        self.changes["presence"].update(presence)

    def tell(self) -> None:
        """Find out what has changed, and tell everybody."""
        for id in self.users.keys() - self.room.connections_by_id.keys():
            del self.users[id]
            self.changes["add"].pop(id, None)
            self.changes["presence"].pop(id, None)
            self.changes["remove"].append(id)
        heard, self.heard = self.heard, []
        for frame, sender in heard:
            if self.room.connections_by_id.get(sender.id) is sender:
                self.room._run_hook(self.read, frame, sender, caller=sender)
        changes, self.changes = self.changes, {}
        # Whoever is alone knows of their own moves.
        moved = changes["presence"] and len(self.users) > 1
        if changes["add"] or changes["remove"] or moved:
            self.room.broadcast(pack({"type": "changes", **changes}))

    def read(self, frame: Frame, sender: Connection) -> None:
        """Let somebody join, or do something else."""
        message, id = unpack(frame), sender.id
        if message["type"] == "join":
            self.users[id] = User(
                country=get_country(sender.websocket),
                presence=message["presence"],
                info=message["info"],
            )
            sender.send(pack({"type": "sync", "users": self.users}))
            self.change(add={id: self.users[id]})
        elif id in self.users:
            self.users[id]["presence"] = message["presence"]
            self.change(presence={id: message["presence"]})
