"""A chat room on Starlette that loses a frame now and then."""

from itertools import count

from starlette.websockets import WebSocket

from tools.bench.starlette_app import app as app

numbers = count(1)
send_text = WebSocket.send_text


async def forget_some(websocket: WebSocket, text: str) -> None:
    """Send every frame except each fiftieth."""
    if next(numbers) % 50:
        await send_text(websocket, text)


WebSocket.send_text = forget_some  # type: ignore[method-assign]
