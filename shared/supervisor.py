"""Run the server in a child process, and restart it when that is needed."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from pathlib import Path

from .presenter import faults, invite
from .web.files import mtimes

CHECK_INTERVAL = 0.25
"""Seconds between two checks of the files and of the server."""

spawn = multiprocessing.get_context("spawn")


class Supervisor:
    """Restarts the server when a file is saved, and when it was killed.

    `serve` is called in the child process, with an event for which it has to
    wait before it serves: until the server before it has exited.
    """

    def __init__(self, serve: Callable[..., None], folders: list[Path]) -> None:
        self._serve = serve
        self._folders = folders
        self._stopped = threading.Event()

    def run(self) -> None:
        """Run the server until this process is interrupted or terminated."""
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: self._stopped.set())
        os.environ[faults.SUPERVISED_ENV] = "1"
        now, process = self._mtimes(), self._start()
        while not self._stopped.wait(CHECK_INTERVAL):
            before, now = now, self._mtimes() or now
            saved = {path for path, _ in now.items() - before.items()}
            number = -(process.exitcode or 0)
            if saved:
                paths = ", ".join(sorted(map(os.path.relpath, saved)))
                print(f"Restarting after a change of {paths}", file=sys.stderr)
            elif number > 0:
                text = f"The server was killed (signal {number}): it restarts."
                print(text, flush=True)
            if saved or number > 0:
                process = self._restart(process)
        process.terminate()
        process.join()

    def _start(self, ended: object = None) -> SpawnProcess:
        process = spawn.Process(
            target=_serve_in_child, args=(self._serve, ended)
        )
        process.start()
        return process

    def _restart(self, before: SpawnProcess) -> SpawnProcess:
        """Start the next server while the last replies of this one finish."""
        os.environ[invite.QR_SHOWN_ENV] = "1"
        before.terminate()
        self._ended = spawn.Event()  # kept until the child has received it
        process = self._start(self._ended)
        before.join()
        self._ended.set()
        return process

    def _mtimes(self) -> dict[Path, int]:
        """Return when each file was saved; nothing if that cannot be told."""
        try:
            return mtimes(*self._folders, suffixes=(".py",))
        except OSError:
            return {}


def _serve_in_child(serve: Callable[..., None], ended: object) -> None:
    """Serve in the child process, with the terminal as standard input."""
    with suppress(OSError):  # it may be closed
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    with suppress(KeyboardInterrupt):
        serve(ended=ended)


def exit_with_parent() -> None:
    """Exit when the supervisor is killed, which leaves the port free."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
