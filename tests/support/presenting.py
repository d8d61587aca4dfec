"""`make present` in a terminal of the tests' own, and a hand at its keys."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .server_process import PATIENCE, ROOT, Client, environment, free_port

NEW_LINE = re.compile(r"\033\[\d+;1H")
DRAWN_ROW = re.compile(
    r"\033\[(\d+);1H\033\[K([^\033]*(?:\033\[\d*m[^\033]*)*)"
)
CONTROLS = re.compile(r"\033\[[?0-9;]*[A-Za-z]")


def copy_stages(folder: Path) -> Path:
    """All stages and what they share, to be changed by a test."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("shared", "tools", *(p.name for p in ROOT.glob("demo_0*"))):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


class Presenting(Client):
    """A presentation that runs: its keys, and what its terminal shows."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.shown = ""
        self.raw = b""
        self.keys, terminal = pty.openpty()
        self.before = termios.tcgetattr(self.keys)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.present"],
            cwd=folder,
            env=environment({"PORT": str(self.port), **settings}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)

    def press(self, *keys: str) -> None:
        """Press keys, and look at what comes from then on."""
        self.shown = ""
        os.write(self.keys, "".join(keys).encode())

    def shows(self, text: str) -> str:
        """Wait until the terminal has shown that; all that it has."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert self.read(deadline), f"{text!r} is not in {self.shown}"
        return self.shown

    def read(self, deadline: float) -> bytes:
        """Read the next output; nothing at the end."""
        left = max(0, deadline - time.monotonic())
        assert select.select([self.keys], [], [], left)[0], self.shown
        try:
            raw = os.read(self.keys, 65_536)
        except OSError:  # so says Linux that the terminal's last user is gone
            raw = b""
        lines = NEW_LINE.sub("\n", raw.decode(errors="replace"))
        text = CONTROLS.sub("", lines)
        self.raw += raw
        self.shown += text.replace("\r\n", "\n")
        return raw

    def rows(self) -> list[str]:
        """Return the lines that the terminal has, from the top."""
        drawn = DRAWN_ROW.findall(self.raw.decode(errors="replace"))
        rows = {int(row): CONTROLS.sub("", text) for row, text in drawn}
        return [rows.get(row, "") for row in range(1, max(rows) + 1)]

    def runs(self, number: int) -> None:
        """Wait until that stage runs, and answers."""
        self.shows(f"demo_{number:02} runs at {self.url}")
        assert f"<code>demo_{number:02}</code>" in self.get("/").text

    def is_gone(self) -> int:
        """Wait until no process of it is left; returns its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.read(deadline):
            pass
        with suppress(ConnectionError):  # nobody has the socket
            while time.monotonic() < deadline:
                socket.create_connection(("127.0.0.1", self.port)).close()
                time.sleep(0.01)
            raise AssertionError("A stage is left.")
        return self.process.wait(PATIENCE)


@contextmanager
def presenting(folder: Path = ROOT, **settings: str) -> Iterator[Presenting]:
    """Present for as long as the block lasts."""
    presentation = Presenting(folder, settings)
    try:
        yield presentation
    finally:
        presentation.process.send_signal(signal.SIGTERM)
        presentation.is_gone()
        os.close(presentation.keys)
