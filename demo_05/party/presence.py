"""Presence: who is in a room, and what each of them does right now."""

import asyncio
from typing import Any

from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server
from shared.web.country import get_country

from .presence_schema import User, decode, encode

BROADCAST_INTERVAL = 1 / 60


class PresenceRoom(Server):
    """Tells everybody what the others do, and stores nothing."""

    rooms = ROOM_IDS
    max_frame_bytes = 1024
    max_frames_per_second = 120

    def on_start(self) -> None:
        """Start with nobody."""
        self.users: dict[str, User] = {}
        self.pending_frames: list[tuple[Frame, Connection]] = []
        self.changes: dict[str, Any] = {}

    def on_message(self, frame: Frame, sender: Connection) -> None:
        """Queue a frame; all are handled in a row before a broadcast."""
        self.pending_frames.append((frame, sender))
        self.enqueue()

    def on_close(self, connection: Connection) -> None:
        """Remove a user at the next broadcast, unless they are back by then."""
        self.enqueue()

    def enqueue(self, add: Any = (), presence: Any = ()) -> None:
        """Add to the changes, sent an interval after the first of them."""
        if not self.changes:
            self.changes = {"add": {}, "presence": {}, "remove": []}
            loop = asyncio.get_running_loop()
            loop.call_later(BROADCAST_INTERVAL, self.broadcast_changes)
        self.changes["add"].update(add)
        self.changes["presence"].update(presence)

    def broadcast_changes(self) -> None:
        """Handle the queued frames, and send everybody what has changed."""
        connected = self.room.connections_by_id
        for id in self.users.keys() - connected.keys():
            del self.users[id]
            self.changes["remove"].append(id)
        frames, self.pending_frames = self.pending_frames, []
        for frame, sender in frames:
            if connected.get(sender.id) is sender:
                try:
                    self.handle_message(frame, sender)
                except Exception as error:
                    sender.report(error)
        changes, self.changes = self.changes, {}
        # A user who is alone needs no copy of their own moves.
        moved = changes["presence"] and len(self.users) > 1
        if changes["add"] or changes["remove"] or moved:
            self.room.broadcast(encode({"type": "changes", **changes}))

    def handle_message(self, frame: Frame, sender: Connection) -> None:
        """Add a user who joins, or update what a user does."""
        message, id = decode(frame), sender.id
        if message["type"] == "join":
            moderation = self.room.context.moderation
            moderation.check_cursor_name(message["info"]["name"])
            self.users[id] = User(
                country=get_country(sender.websocket),
                presence=message["presence"],
                info=message["info"],
            )
            sender.send(encode({"type": "sync", "users": self.users}))
            self.enqueue(add={id: self.users[id]})
        elif id in self.users:
            self.users[id]["presence"] = message["presence"]
            self.enqueue(presence={id: message["presence"]})
