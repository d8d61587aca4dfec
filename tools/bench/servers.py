"""The servers that are compared, and how each is started."""

from dataclasses import dataclass, field, replace

from tools.bench.door import Door, SocketIODoor

UVICORN = (
    "uvicorn --port {port} --log-level warning --ws-ping-interval 300 "
    "tools.bench."
)
OURS = "shared.serve demo_05"


@dataclass(frozen=True)
class Server:
    """One of the servers: its name, and what Python is to run.

    `compress` offers it what every browser offers.
    """

    name: str
    command: str
    compress: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    door: type[Door] = Door


RAW = Server("raw sockets, a write each", "tools.bench.raw {port}")
PARTY_CHAT = Server("Party Chat", OURS, compress=True)
STARLETTE = Server("Starlette", UVICORN + "plain:app")
COMPRESSING = replace(STARLETTE, name="Starlette, compressing", compress=True)

SERVERS = [
    Server("raw sockets, gathered", "tools.bench.raw {port} gather"),
    PARTY_CHAT,
    RAW,
    Server("websockets.broadcast", "tools.bench.broadcast {port}"),
    STARLETTE,
    COMPRESSING,
    Server(
        "Party Chat, plain ASGI",
        OURS,
        compress=True,
        settings={"FAST_TRANSPORT": "0"},
    ),
    Server("python-socketio", UVICORN + "socket_io:app", door=SocketIODoor),
]
