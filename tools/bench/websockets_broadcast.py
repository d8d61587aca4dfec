"""The chat room with websockets' own broadcast."""

import asyncio
import json
import sys
from collections import defaultdict
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

history: dict[str, list[Any]] = defaultdict(list)
connections: dict[str, set[ServerConnection]] = defaultdict(set)


async def chat(connection: ServerConnection) -> None:
    """Send a newcomer the history, and each message to everybody else."""
    room = connection.request.path if connection.request else ""
    connections[room].add(connection)
    frame = {"type": "history", "messages": history[room]}
    await connection.send(json.dumps(frame))
    try:
        async for text in connection:
            message = json.loads(text)["message"]
            history[room].append(message)
            update = json.dumps({"type": "update", "message": message})
            broadcast(connections[room] - {connection}, update)
    finally:
        connections[room].discard(connection)


async def main() -> None:
    """Serve until this process is terminated."""
    port = int(sys.argv[1])
    async with serve(chat, "127.0.0.1", port, ping_interval=300) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
