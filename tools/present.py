"""Run one stage at a time, chosen by keys: `python -m tools.present`.

The port stays open between two stages: a browser that connects meanwhile waits
for the next one.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.ai.provider import detect_provider
from shared.presenter.auth import add_key, persist_moderation
from shared.presenter.faults import SUPERVISED_ENV
from shared.serve import bind_socket, read_settings
from shared.settings import ROOT, Settings
from shared.web.files import mtimes

from .presenter_view import PresenterView
from .stage_process import StageProcess
from .terminal import TERMINAL_GONE, full_screen, pressed_keys

STAGES = [path.parent for path in sorted(ROOT.glob("demo_*/app.py"))]

THE_END = ROOT / "tools" / "the_end"
"""The app with the closing page, which comes after the last stage."""

APPS = [*STAGES, THE_END]

RECORDED = "replay:shared/ai/replay/demo_replies.jsonl"
"""The AI to use where only the small local model would answer."""

CLOSING_SECONDS = 4.0
"""Seconds in which open pages load the closing page, before the end."""

POLL_INTERVAL = 0.5
"""Seconds between two looks at the files of the stage that runs."""

NEXT = ["n", "\033[6~"]
BACK = ["b", "\033[5~"]
END = ["q", "\3", "\4"]
"""Among them: a clicker's Page Down and Page Up, Ctrl+C, Ctrl+D."""

KEY_NAMES = {
    "\r": "Enter",
    "\n": "Enter",
    "\033[6~": "Page Down",
    "\033[5~": "Page Up",
}

STORED_UNTIL_END = (
    "Messages survive a switch and a crash; they are deleted at the end."
)
STORED_AFTER_END = "Messages survive a switch, a crash and the end: {}"
LOST_BY_SWITCH = "A switch loses the messages: they are in memory."

CLOSING = "Pages load the closing page. Then the demo ends; a key ends it now."

ASK = "End the demo? q again ends it; any other key cancels."


def main() -> None:
    """Present, until the presenter ends it."""
    if os.name == "nt":
        sys.exit("make present needs a Unix terminal.")
    if not sys.stdin.isatty():
        sys.exit("make present reads keys: start it in a terminal.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    choice = read_settings()
    add_key()
    sock = bind_socket(choice.bind_host, choice.port, "present")
    sock.listen(socket.SOMAXCONN)
    with full_screen(), persist_moderation(), temporary_store(choice) as note:
        presentation = Presentation(sock, choice, note)
        try:
            presentation.run()
        except KeyboardInterrupt:
            pass
        finally:
            presentation.end()


class Presentation:
    """The stage that runs, and the way to any other."""

    def __init__(
        self, sock: socket.socket, choice: Settings, store_note: str
    ) -> None:
        self.sock = sock
        self.view = PresenterView(sock, store_note)
        self.reload = choice.reload
        self.at = 0
        self.is_asked = False
        self.is_restart = False
        self.stage: StageProcess | None = None
        self.saved: dict[Path, int] = {}
        self.ai_settings = choose_ai_settings(choice)
        os.environ[SUPERVISED_ENV] = "1"
        if choice.graceful_timeout is None:
            os.environ["GRACEFUL_TIMEOUT"] = "0"

    def run(self) -> None:
        """Start with the first stage; then follow the keys."""
        stage = self.go(0)
        while True:
            self.view.show(self.at, stage.read_output(), stage.has_ended())
            keys = pressed_keys(stage.outputs(), POLL_INTERVAL)
            wanted = self.wanted(keys)
            if wanted is None:
                if TERMINAL_GONE not in keys and self.at < len(STAGES):
                    self.close()
                return
            changed = wanted != self.at or self.is_saved()
            if self.is_restart or changed or stage.was_killed():
                stage = self.go(wanted)

    def close(self) -> None:
        """Let open pages load the closing page, until a key is pressed."""
        self.view.message = CLOSING
        stage = self.go(len(STAGES))
        deadline = time.monotonic() + CLOSING_SECONDS
        while time.monotonic() < deadline:
            self.view.show(self.at, stage.read_output(), stage.has_ended())
            if pressed_keys(stage.outputs(), POLL_INTERVAL):
                return

    def wanted(self, keys: list[str]) -> int | None:
        """Return the stage that these keys lead to, None for the end."""
        at = self.at
        for key in keys:
            if key == TERMINAL_GONE or (key in END and self.is_asked):
                return None
            if self.is_asked:
                self.is_asked, self.view.message = False, "The demo goes on."
            elif key in END:
                self.is_asked, self.view.message = True, ASK
            elif not self.view.handle(key):
                at = self.follow(at, key)
        return at

    def follow(self, at: int, key: str) -> int:
        """Return the stage that a key leads to, and set the message."""
        name = KEY_NAMES.get(key, key if key.isprintable() else "That key")
        if key in map(str, range(1, len(STAGES) + 1)):
            self.is_restart = True
            self.view.message = f"{name}: stage {key}, started again."
            return int(key) - 1
        step = (key in NEXT) - (key in BACK)
        wanted = max(0, min(at + step, len(STAGES)))
        if not step:
            self.view.message = f"{name} does nothing."
        elif wanted == at:
            which = "the end" if step > 0 else "the first stage"
            self.view.message = f"{name}: this is {which}."
        elif wanted == len(STAGES):
            self.view.message = f"{name}: the closing page."
        else:
            self.view.message = f"{name}: stage {wanted + 1}."
        return wanted

    def go(self, at: int) -> StageProcess:
        """Replace the stage that runs, and return the next one.

        The new one loads while the old one ends, but never serves beside it: a
        page that reloads could reach the old one again.
        """
        self.at, self.is_restart = at, False
        self.view.show(at)
        if self.stage:  # the first one has no AI
            os.environ.update(self.ai_settings.result())
        self.is_saved()
        before = self.stage
        self.stage = StageProcess(APPS[at], self.sock)
        if before:
            before.end()
        self.stage.begin()
        return self.stage

    def is_saved(self) -> bool:
        """Whether Python code of this stage was saved since the last look."""
        if not self.reload:
            return False
        with suppress(OSError):  # a file may be gone before it is looked at
            folders = APPS[self.at], ROOT / "shared"
            before, self.saved = self.saved, mtimes(*folders, suffixes=(".py",))
            return before != self.saved
        return False

    def end(self) -> None:
        """End the stage that runs."""
        if self.stage:
            self.stage.end()


def choose_ai_settings(choice: Settings) -> Future[dict[str, str]]:
    """Return the AI settings for the stages, once they are known."""

    def choose_ai() -> dict[str, str]:
        if choice.ai or detect_provider(choice) != "local":
            return {}
        return {"AI": RECORDED}

    return ThreadPoolExecutor(1).submit(choose_ai)


@contextmanager
def temporary_store(choice: Settings) -> Iterator[str]:
    """Store messages in a file during the block, unless STORE is set.

    It yields a line for the presenter, which says if messages are kept.
    """
    note = LOST_BY_SWITCH
    if choice.store not in ("", "memory"):
        note = STORED_AFTER_END.format(choice.store)
    with ExitStack() as stack:
        if "store" not in choice.model_fields_set:
            with suppress(OSError):  # it may not be allowed to write
                folder = stack.enter_context(
                    TemporaryDirectory(ignore_cleanup_errors=True)
                )
                os.environ["STORE"] = f"sqlite:{folder}/messages.db"
                note = STORED_UNTIL_END
        yield note


if __name__ == "__main__":
    main()
