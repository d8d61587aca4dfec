"""A server that runs, in a process of its own."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.server_process import ROOT, environment, free_port
from tools.bench.door import Door
from tools.bench.machine import SERVERS_CORE, cpu_seconds, pin
from tools.bench.servers import Server
from tools.bench.stream import Wrong

STARTED = 20.0
"""Seconds that a server has to start, and to end."""

SETTINGS = {"MAX_MESSAGES_PER_SECOND": "1000000", "PING_INTERVAL": "300"}
"""One person says it all, and nobody has to be pinged meanwhile."""


class Running:
    """A server that runs, on a core that the crowd leaves to it."""

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
        raise Wrong("it does not start")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(STARTED)
        finally:
            self.process.kill()

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Say of what goes wrong in the block whose it is."""
        try:
            yield
        except (Wrong, OSError) as error:
            self.output.seek(0)
            printed = self.output.read().decode(errors="replace")[-2_000:]
            name = self.server.name
            raise Wrong(f"{name}: {error}\nIt printed: {printed}") from error


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Run a server for as long as the block lasts."""
    run = Running(server)
    try:
        with run.blamed():
            run.wait_until_open()
        yield run
    finally:
        run.stop()
        run.output.close()
