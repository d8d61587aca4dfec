"""A stage's process: it loads, and serves once `begin` is called."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from shared.settings import ROOT
from shared.web.traceback_summary import escape_unprintable

STOP_TIMEOUT = 0.8
"""Seconds that a stage has to end; running replies are cut off."""

MAX_OUTPUT = 10_000
"""Bytes that are kept of the newest output."""


class StageProcess:
    """A stage on a socket that stays open; its output is kept."""

    def __init__(self, folder: Path, sock: socket.socket) -> None:
        self._output = b""
        self.is_silent = False
        # Its own session: a key that is pressed is for the parent alone.
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tools.run_on_socket",
                ".".join(folder.relative_to(ROOT).parts),
                str(sock.fileno()),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[sock.fileno()],
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self._input = self.process.stdin
        self._pipe = self.process.stdout
        os.set_blocking(self._pipe.fileno(), False)

    def begin(self) -> None:
        """Let it serve."""
        with suppress(OSError):  # it may have ended, and said why
            self._input.write(b"\n")
            self._input.flush()

    def outputs(self) -> list[int]:
        """Return the descriptor of its output, until that has ended."""
        return [] if self.is_silent else [self._pipe.fileno()]

    def read_output(self) -> list[str]:
        """Return the lines that it has printed so far."""
        with suppress(BlockingIOError):
            chunk = os.read(self._pipe.fileno(), MAX_OUTPUT)
            self.is_silent = not chunk
            self._output = (self._output + chunk)[-MAX_OUTPUT:]
        text = self._output.decode(errors="replace")
        return [escape_unprintable(line) for line in text.splitlines()]

    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def was_killed(self) -> bool:
        """Whether it was killed, as by the restart on the presenter's page."""
        return self.process.poll() == -signal.SIGKILL

    def end(self) -> None:
        """End it, and all that it started; at worst, by force."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT)
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._input.close()
        self._pipe.close()
