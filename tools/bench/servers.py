"""The servers that are compared, and how each is run."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.support.server_process import ROOT, environment, free_port
from tools.bench.machine import SERVER_CORE, cpu_seconds, pin
from tools.bench.room_client import RoomClient, SocketIOClient
from tools.bench.stream_checker import DeliveryError

START_TIMEOUT = 20.0
"""Seconds that a server has to start, and to stop."""

SETTINGS = {"MAX_MESSAGES_PER_SECOND": "1000000", "PING_INTERVAL": "300"}
"""One person sends everything, and pings would only add noise."""

UVICORN = (
    "uvicorn --port {port} --log-level warning --ws-ping-interval 300 "
    "tools.bench."
)


@dataclass(frozen=True)
class Server:
    """A server: its name, and the module and arguments that Python runs.

    With `compress`, clients offer compression, as every browser does.
    """

    name: str
    command: str
    compress: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    client: type[RoomClient] = RoomClient


RAW = Server("raw sockets, a write each", "tools.bench.raw_sockets {port}")
PARTY_CHAT = Server("Party Chat", "shared.serve demo_05", compress=True)
PLAIN_ASGI = replace(
    PARTY_CHAT,
    name="Party Chat, plain ASGI",
    settings={"FAST_TRANSPORT": "0"},
)
STARLETTE = Server("Starlette", UVICORN + "starlette_app:app")
COMPRESSING = replace(STARLETTE, name="Starlette, compressing", compress=True)

SERVERS = [
    Server("raw sockets, gathered", "tools.bench.raw_sockets {port} gather"),
    PARTY_CHAT,
    RAW,
    Server("websockets.broadcast", "tools.bench.websockets_broadcast {port}"),
    STARLETTE,
    COMPRESSING,
    PLAIN_ASGI,
    Server(
        "python-socketio", UVICORN + "socketio_app:app", client=SocketIOClient
    ),
]


class ServerRun:
    """A running server, on a core that the clients do not use."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = free_port()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        command = server.command.format(port=self.port).split()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment(
                {"PORT": str(self.port), **SETTINGS, **server.settings}
            ),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        pin(self.process.pid, SERVER_CORE)

    def client(self, room: str) -> RoomClient:
        """Return a client for one of its rooms."""
        return self.server.client(self.port, room, self.server.compress)

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used so far."""
        return cpu_seconds(self.process.pid)

    def wait_until_open(self) -> None:
        """Wait until it accepts connections."""
        end = time.monotonic() + START_TIMEOUT
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise DeliveryError("it does not start")

    def stop(self) -> None:
        """Terminate it."""
        self.process.terminate()
        try:
            self.process.wait(START_TIMEOUT)
        finally:
            self.process.kill()

    @contextmanager
    def attribute_errors(self) -> Iterator[None]:
        """Add the server's name and output to errors of the block."""
        try:
            yield
        except (DeliveryError, OSError) as error:
            self.output.seek(0)
            printed = self.output.read().decode(errors="replace")[-2_000:]
            text = f"{self.server.name}: {error}\nIt printed: {printed}"
            raise DeliveryError(text) from error


@contextmanager
def run_server(server: Server) -> Iterator[ServerRun]:
    """Run a server for as long as the block lasts."""
    run = ServerRun(server)
    try:
        with run.attribute_errors():
            run.wait_until_open()
        yield run
    finally:
        run.stop()
        run.output.close()
