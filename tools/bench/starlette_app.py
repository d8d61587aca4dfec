"""The chat room as a loop of sends on Starlette."""

import asyncio
import json
from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tools.bench.texts import QUESTION, TOKENS, TOKENS_PER_SECOND

history: dict[str, list[Any]] = defaultdict(list)
connections: dict[str, set[WebSocket]] = defaultdict(set)


async def chat(websocket: WebSocket) -> None:
    """Send a newcomer the history, and each message to everybody else."""
    room = websocket.path_params["room"]
    await websocket.accept()
    connections[room].add(websocket)
    await websocket.send_json({"type": "history", "messages": history[room]})
    try:
        async for text in websocket.iter_text():
            message = json.loads(text)["message"]
            history[room].append(message)
            update = json.dumps({"type": "update", "message": message})
            for reader in list(connections[room]):
                if reader is not websocket:
                    await reader.send_text(update)
            if message["body"] == QUESTION:
                await reply(room)
    finally:
        connections[room].discard(websocket)


async def reply(room: str) -> None:
    """Send everybody the reply so far, for each token."""
    message = {"id": "reply", "user": "AI", "body": "", "role": "assistant"}
    history[room].append(message)
    now = asyncio.get_running_loop().time
    due = now()
    for token in TOKENS:
        message["body"] += token
        update = json.dumps({"type": "update", "message": message})
        for reader in list(connections[room]):
            await reader.send_text(update)
        due += 1 / TOKENS_PER_SECOND
        await asyncio.sleep(max(0, due - now()))


app = Starlette(routes=[WebSocketRoute("/parties/chatroom/{room}", chat)])
