"""The chat room on python-socketio."""

from collections import defaultdict
from typing import Any

import socketio

history: dict[str, list[Any]] = defaultdict(list)
server = socketio.AsyncServer(async_mode="asgi", ping_interval=300)


async def join(sid: str, room: str) -> None:
    """Send a newcomer the history."""
    await server.save_session(sid, {"room": room})
    await server.enter_room(sid, room)
    await server.emit("history", {"messages": history[room]}, to=sid)


async def message(sid: str, message: Any) -> None:
    """Send a message to everybody else."""
    room = (await server.get_session(sid))["room"]
    history[room].append(message)
    await server.emit("update", message, room=room, skip_sid=sid)


server.on("join", join)
server.on("message", message)
app = socketio.ASGIApp(server)
