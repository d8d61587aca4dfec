"""The lower bound: `python -m tools.bench.raw_sockets PORT [gather]`.

One thread, one selector, and a `send` to each socket: nearly all of its cost
is the system's. It validates and keeps no message. With `gather`, messages
that were received at once go to each socket in one `send`.
"""

import re
import selectors
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator

from tests.support.ws_frames import (
    CLOSE,
    accept_key,
    parse_frame,
    server_frame,
)

HISTORY = server_frame(b'{"type":"history","messages":[]}')
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)

rooms: dict[bytes, set["Client"]] = defaultdict(set)


class Client:
    """One socket, and the beginning of its next frame."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""
        self.room: set[Client] = set()

    def receive(self, gather: bool) -> None:
        """Receive messages, and pass them on."""
        data = self.sock.recv(65_536)
        if not data:
            raise EOFError
        self.data += data
        if self not in self.room:
            self.accept()
            return
        frames = list(self.frames())
        for frame in [b"".join(frames)] if gather else frames:
            for reader in self.room - {self}:
                reader.sock.send(frame)  # a full buffer would lose data

    def accept(self) -> None:
        """Answer the handshake, once it is complete."""
        if b"\r\n\r\n" not in self.data:
            return
        key = re.findall(rb"(?i)sec-websocket-key: *(\S+)", self.data)[0]
        self.sock.send(ANSWER % accept_key(key) + HISTORY)
        self.room = rooms[self.data.split()[1]]
        self.room.add(self)
        self.data = b""

    def frames(self) -> Iterator[bytes]:
        """Yield the complete frames, as updates."""
        first, payload, end = parse_frame(self.data, 0)
        while end:
            if first & 15 == CLOSE:
                raise EOFError
            _, name, message = payload.partition(b'"message":')
            yield server_frame(b'{"type":"update",' + name + message)
            self.data = self.data[end:]
            first, payload, end = parse_frame(self.data, 0)


def serve(port: int, gather: bool) -> None:
    """Serve until this process is terminated."""
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", port), backlog=1000)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for event, _ in selector.select():
            if event.data is None:
                sock, _ = listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(sock, selectors.EVENT_READ, Client(sock))
                continue
            client: Client = event.data
            try:
                client.receive(gather)
            except EOFError:
                client.room.discard(client)
                selector.unregister(client.sock)
                client.sock.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), "gather" in sys.argv)
