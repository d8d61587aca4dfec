"""How one joins a room, and speaks in it."""

import json
import selectors
import socket
from contextlib import suppress
from random import Random
from typing import cast

from tests.support.ws_frames import TEXT, frame, parse_frame
from tools.bench.stream import Wrong

PATIENCE = 5.0
"""Seconds of silence after which what is missing is lost."""

WORDS = (
    "a about again and at chat everybody for hear here I in is it like message "
    "never nobody now of one or people read room say somebody that the then "
    "there they to wait we what when who you"
)
chosen = Random(6)
BODIES = [" ".join(chosen.choices(WORDS.split(), k=12)) for _ in range(997)]
"""What is said, about 60 letters each; what comes close together differs."""

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)
GOODBYE = bytes.fromhex("8880 00000000")
COMPRESSION = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Door:
    """A room of a chat server; `compress` offers what browsers offer."""

    def __init__(self, port: int, room: str, compress: bool = False) -> None:
        self.port = port
        self.room = room
        self.offer = COMPRESSION if compress else b""

    def path(self) -> str:
        """Where the room's socket is."""
        return f"/parties/chatroom/{self.room}"

    def join(self) -> tuple[socket.socket, bytes]:
        """A socket in the room, and what it has been told already."""
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(HANDSHAKE % (self.path().encode(), self.offer))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += receive(sock)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise Wrong(f"nobody can join: {answer.decode()}")
        return sock, rest

    def say(self, number: int, body: str = "") -> bytes:
        """The frame that says a message."""
        body = body or BODIES[number % len(BODIES)]
        message = {"id": str(number), "user": "Ada", "body": body}
        return frame(TEXT, self.text(json.dumps(message)).encode())

    def text(self, message: str) -> str:
        """What is in that frame."""
        return f'{{"type": "message", "message": {message}}}'


class SocketIODoor(Door):
    """The same, where Socket.IO is spoken."""

    def path(self) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def join(self) -> tuple[socket.socket, bytes]:
        sock, data = super().join()
        data = skip(sock, data)
        sock.sendall(frame(TEXT, b"40"))
        data = skip(sock, data)
        sock.sendall(frame(TEXT, f'42["join", "{self.room}"]'.encode()))
        return sock, data

    def text(self, message: str) -> str:
        return f'42["message", {message}]'


def receive(sock: socket.socket) -> bytes:
    """What has come; there must be something."""
    data = sock.recv(1 << 18)
    if not data:
        raise Wrong("a connection was closed")
    return data


def skip(sock: socket.socket, data: bytes) -> bytes:
    """Wait for one frame: what came after it."""
    while not (end := parse_frame(data, 0)[2]):
        data += receive(sock)
    return data[end:]


def leave(selector: selectors.BaseSelector) -> None:
    """Close all its sockets, as browsers do."""
    for key in list(selector.get_map().values()):
        sock = cast(socket.socket, key.fileobj)
        with suppress(OSError):
            sock.send(GOODBYE)
        sock.close()
    selector.close()
