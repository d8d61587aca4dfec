"""The chat room with websockets' own broadcast."""

import asyncio
import json
import sys
from collections import defaultdict
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast, serve

said: dict[str, list[Any]] = defaultdict(list)
present: dict[str, set[ServerConnection]] = defaultdict(set)


async def chat(connection: ServerConnection) -> None:
    """Tell a newcomer what was said, and everybody what one says."""
    room = connection.request.path if connection.request else ""
    present[room].add(connection)
    history = {"type": "history", "messages": said[room]}
    await connection.send(json.dumps(history))
    try:
        async for text in connection:
            message = json.loads(text)["message"]
            said[room].append(message)
            update = json.dumps({"type": "update", "message": message})
            broadcast(present[room] - {connection}, update)
    finally:
        present[room].discard(connection)


async def main() -> None:
    """Serve, until ended."""
    port = int(sys.argv[1])
    async with serve(chat, "127.0.0.1", port, ping_interval=300) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
