"""A server that starts again: when a file is saved, and when it was killed."""

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from uvicorn._subprocess import get_subprocess, spawn
from uvicorn.supervisors.statreload import StatReload

from .presenter import invite
from .web.files import mtimes


class Reload(StatReload):
    """uvicorn's watch over the files, which misses none.

    It sees new files as well, and what is saved while the server starts.
    """

    def startup(self) -> None:
        """Start the server, with the files as they are now."""
        self.mtimes = self.look()
        super().startup()

    def restart(self) -> None:
        """Start the server again, which need not say all of it again.

        It gets ready while the one before it lets its replies finish.
        """
        os.environ[invite.QR_SHOWN_ENV] = "1"
        before, self.ended = self.process, spawn.Event()
        again: Any = self.target
        target = partial(again, ended=self.ended)
        self.process = get_subprocess(self.config, target, self.sockets)
        before.terminate()
        self.process.start()
        before.join()
        self.ended.set()

    def should_restart(self) -> list[Path] | None:
        """The files because of which to start again, if there are any."""
        self.pause()
        now = self.look()
        changed = [path for path, _ in now.items() - self.mtimes.items()]
        self.mtimes = now
        if not changed and (self.process.exitcode or 0) < 0:
            number = -int(self.process.exitcode or 0)
            print(
                f"The server was killed (signal {number}): it starts again.",
                flush=True,
            )
            changed = [Path()]
        return changed or None

    def look(self) -> dict[Path, float]:
        """Return when each file was saved, as far as that can be told."""
        try:
            return {**mtimes(*self.config.reload_dirs, suffixes=(".py",))}
        except OSError:
            return self.mtimes


def exit_with_parent() -> None:
    """Exit when the supervisor is killed, which leaves the port free."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, daemon=True).start()
