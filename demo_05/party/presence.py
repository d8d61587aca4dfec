"""Presence: who is in a room, and what each of them does right now."""

import asyncio
from typing import Any

from starlette.requests import HTTPConnection

from shared.country import country_of
from shared.party import Connection, Frame, Server

from .presence_schema import User, pack, unpack

TICK = 1 / 60


class PresenceRoom(Server):
    """Tells everybody what the others do, and keeps nothing of it."""

    largest_frame = 1024
    frames_a_second = 120

    def on_start(self) -> None:
        """Begin with nobody."""
        self.users: dict[str, User] = {}
        self.countries: dict[str, str | None] = {}
        self.changes: dict[str, Any] = {}

    def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Find out in which country a newcomer is."""
        self.countries[connection.id] = country_of(request)

    def on_message(self, frame: Frame, sender: Connection) -> None:
        """Let somebody join, or do something else."""
        message, id = unpack(frame), sender.id
        if message["type"] == "join":
            self.users[id] = User(
                country=self.countries.get(id),
                presence=message["presence"],
                info=message["info"],
            )
            sender.send(pack({"type": "sync", "users": self.users}))
            self.change(add={id: self.users[id]})
        elif id in self.users:
            self.users[id]["presence"] = message["presence"]
            self.change(presence={id: message["presence"]})

    def on_close(self, connection: Connection) -> None:
        """Take somebody out, unless they are back already."""
        if connection.id not in self.room.present:
            self.countries.pop(connection.id, None)
            if self.users.pop(connection.id, None):
                self.change(remove=connection.id)

    def change(
        self, add: Any = (), presence: Any = (), remove: str = ""
    ) -> None:
        """Gather changes, of which everybody is told soon."""
        if not self.changes:
            self.changes = {"add": {}, "presence": {}, "remove": []}
            asyncio.get_running_loop().call_later(TICK, self.tell)
        self.changes["add"].update(add)
        self.changes["presence"].update(presence)
        if remove:
            self.changes["add"].pop(remove, None)
            self.changes["presence"].pop(remove, None)
            self.changes["remove"].append(remove)

    def tell(self) -> None:
        """Tell everybody, unless somebody alone has only moved."""
        changes, self.changes = self.changes, {}
        moves = not (changes["add"] or changes["remove"])
        if not (moves and len(self.users) == 1):
            self.room.broadcast(pack({"type": "changes", **changes}))
