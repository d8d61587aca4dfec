"""The servers that are compared, and how each is run."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.running import ROOT, environment, free_port
from tools.bench.door import Door, SocketIODoor
from tools.bench.machine import SERVERS_CORE, cpu_seconds, pin

STARTED = 20.0
"""Seconds that a server has to start, and to end."""

UVICORN = (
    "uvicorn --port {port} --log-level warning --ws-ping-interval 300 "
    "tools.bench."
)
OURS = "shared.serve demo_05"
SETTINGS = {"MESSAGES_A_SECOND": "1000000", "PING": "300"}


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

SERVERS = [
    Server("raw sockets, gathered", "tools.bench.raw {port} gather"),
    PARTY_CHAT,
    RAW,
    Server("websockets.broadcast", "tools.bench.broadcast {port}"),
    STARLETTE,
    Server("Starlette, compressing", UVICORN + "plain:app", compress=True),
    Server("Party Chat, FAST=0", OURS, compress=True, settings={"FAST": "0"}),
    Server("python-socketio", UVICORN + "socket_io:app", door=SocketIODoor),
]


class Running:
    """A server that runs, on a core that the crowd leaves to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = free_port()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        settings = {"PORT": str(self.port), **SETTINGS}
        command = server.command.format(port=self.port).split()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment({**settings, **server.settings}),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        pin(self.process.pid, SERVERS_CORE)

    def door(self, room: str) -> Door:
        """The door to one of its rooms."""
        return self.server.door(self.port, room, self.server.compress)

    def cpu_seconds(self) -> float:
        """Seconds that it has computed so far."""
        return cpu_seconds(self.process.pid)

    def wait_until_open(self) -> None:
        """Wait until it takes connections."""
        end = time.monotonic() + STARTED
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"{self.server.name} does not start")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(STARTED)
        finally:
            self.process.kill()

    def printed(self) -> str:
        """The end of what it printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-2_000:]


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Run a server for as long as the block lasts."""
    run = Running(server)
    try:
        run.wait_until_open()
        yield run
    except Exception as error:
        error.add_note(f"{server.name} printed:\n{run.printed()}")
        raise
    finally:
        run.stop()
        run.output.close()
