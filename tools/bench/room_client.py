"""A minimal WebSocket client that joins a room and sends messages."""

import json
import selectors
import socket
from contextlib import suppress
from typing import cast

from tests.support.ws_frames import TEXT, frame, parse_frame
from tools.bench.stream_checker import DeliveryError
from tools.bench.texts import BODIES

RECEIVE_TIMEOUT = 5.0
"""Seconds without data after which what is missing counts as lost."""

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)
CLOSE_FRAME = bytes.fromhex("8880 00000000")
COMPRESSION = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class RoomClient:
    """Joins a room of a chat server; `compress` offers compression."""

    def __init__(self, port: int, room: str, compress: bool = False) -> None:
        self.port = port
        self.room = room
        self.offer = COMPRESSION if compress else b""

    def path(self) -> str:
        """Return the path of the room's WebSocket."""
        return f"/parties/chatroom/{self.room}"

    def join(self) -> tuple[socket.socket, bytes]:
        """Return a socket in the room, and what it has received already."""
        sock = socket.create_connection(
            ("127.0.0.1", self.port), RECEIVE_TIMEOUT
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(HANDSHAKE % (self.path().encode(), self.offer))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += receive(sock)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise DeliveryError(f"the handshake failed: {answer.decode()}")
        return sock, rest

    def message_frame(self, number: int, body: str = "") -> bytes:
        """Return the frame that sends a message."""
        body = body or BODIES[number % len(BODIES)]
        message = {"id": str(number), "user": "Ada", "body": body}
        return frame(TEXT, self.payload(json.dumps(message)).encode())

    def payload(self, message: str) -> str:
        """Return the text of that frame."""
        return f'{{"type": "message", "message": {message}}}'


class SocketIOClient(RoomClient):
    """The same for a server that speaks Socket.IO."""

    def path(self) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def join(self) -> tuple[socket.socket, bytes]:
        sock, data = super().join()
        data = skip_frame(sock, data)
        sock.sendall(frame(TEXT, b"40"))
        data = skip_frame(sock, data)
        sock.sendall(frame(TEXT, f'42["join", "{self.room}"]'.encode()))
        return sock, data

    def payload(self, message: str) -> str:
        return f'42["message", {message}]'


def receive(sock: socket.socket) -> bytes:
    """Receive data; raise DeliveryError if the connection is closed."""
    data = sock.recv(1 << 18)
    if not data:
        raise DeliveryError("a connection was closed")
    return data


def skip_frame(sock: socket.socket, data: bytes) -> bytes:
    """Wait for one frame; return the data after it."""
    while not (end := parse_frame(data, 0)[2]):
        data += receive(sock)
    return data[end:]


def close_sockets(selector: selectors.BaseSelector) -> None:
    """Close all sockets of a selector, as browsers do."""
    for key in list(selector.get_map().values()):
        sock = cast(socket.socket, key.fileobj)
        with suppress(OSError):
            sock.send(CLOSE_FRAME)
        sock.close()
    selector.close()
