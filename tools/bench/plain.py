"""The chat room as one writes it on Starlette: a send for each reader."""

import json
from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

said: dict[str, list[Any]] = defaultdict(list)
present: dict[str, set[WebSocket]] = defaultdict(set)


async def chat(websocket: WebSocket) -> None:
    """Tell a newcomer what was said, and everybody what one says."""
    room = websocket.path_params["room"]
    await websocket.accept()
    present[room].add(websocket)
    await websocket.send_json({"type": "history", "messages": said[room]})
    try:
        async for text in websocket.iter_text():
            message = json.loads(text)["message"]
            said[room].append(message)
            update = json.dumps({"type": "update", "message": message})
            for reader in list(present[room]):
                if reader is not websocket:
                    await reader.send_text(update)
    finally:
        present[room].discard(websocket)


app = Starlette(routes=[WebSocketRoute("/parties/chatroom/{room}", chat)])
