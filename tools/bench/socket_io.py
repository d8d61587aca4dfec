"""The chat room on python-socketio."""

from collections import defaultdict
from typing import Any

import socketio

said: dict[str, list[Any]] = defaultdict(list)
server = socketio.AsyncServer(async_mode="asgi", ping_interval=300)


async def join(sid: str, room: str) -> None:
    """Tell a newcomer what was said."""
    await server.save_session(sid, {"room": room})
    await server.enter_room(sid, room)
    await server.emit("history", {"messages": said[room]}, to=sid)


async def message(sid: str, message: Any) -> None:
    """Tell everybody what one says."""
    room = (await server.get_session(sid))["room"]
    said[room].append(message)
    await server.emit("update", message, room=room, skip_sid=sid)


server.on("join", join)
server.on("message", message)
app = socketio.ASGIApp(server)
