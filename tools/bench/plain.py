"""The chat room as one writes it on Starlette: a send for each reader."""

import asyncio
import json
from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tools.bench.story import PACE, QUESTION, TOKENS

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
            if message["body"] == QUESTION:
                await reply(room)
    finally:
        present[room].discard(websocket)


async def reply(room: str) -> None:
    """Let everybody see the AI's reply grow."""
    message = {"id": "reply", "user": "AI", "body": "", "role": "assistant"}
    said[room].append(message)
    now = asyncio.get_running_loop().time
    due = now()
    for token in TOKENS:
        message["body"] += token
        update = json.dumps({"type": "update", "message": message})
        for reader in list(present[room]):
            await reader.send_text(update)
        due += 1 / PACE
        await asyncio.sleep(max(0, due - now()))


app = Starlette(routes=[WebSocketRoute("/parties/chatroom/{room}", chat)])
