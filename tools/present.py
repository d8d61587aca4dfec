"""Run one stage at a time, chosen by keys: `python -m tools.present`.

The port stays open between two stages: a browser that connects meanwhile waits
for the next one.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.ai.provider import detect_provider
from shared.presenter.auth import persist_moderation
from shared.presenter.invite import QR_SHOWN_ENV
from shared.serve import bind_socket, read_settings, url
from shared.settings import ROOT, Settings
from shared.web.files import mtimes

from .talking_points import talking_points

STAGES = [path.parent for path in sorted(ROOT.glob("demo_*/app.py"))]

RECORDED = "replay:shared/ai/replay/demo_replies.jsonl"
"""The AI to use where only the small local model would answer."""

STOP_TIMEOUT = 0.8
"""Seconds that a stage has to end; running replies are cut off."""

POLL_INTERVAL = 0.5
"""Seconds between two looks at the files of the stage that runs."""

NEXT = ["n", "\033[6~"]
BACK = ["b", "\033[5~"]
END = ["q", "\3", "\4"]
"""Among them: a clicker's Page Down and Page Up, Ctrl+C, Ctrl+D."""

TERMINAL_GONE = ""

KEY_NAMES = {
    " ": "Space",
    "\r": "Enter",
    "\n": "Enter",
    "\3": "Ctrl+C",
    "\4": "Ctrl+D",
    "\033[6~": "Page Down",
    "\033[5~": "Page Up",
}

BANNER_LINES = 26
"""Lines of the address for others with its QR code, and of the rest."""

KEYS = f"n next   b back   1-{len(STAGES)} that stage   q end"

STORED_UNTIL_END = (
    "Messages survive a switch and a crash; they are deleted at the end."
)
STORED_AFTER_END = "Messages survive a switch, a crash and the end."
LOST_BY_SWITCH = "A switch loses the messages: they are in memory."

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
    sock = bind_socket(choice.bind_host, choice.port, "present")
    sock.listen(socket.SOMAXCONN)
    with single_keys(), persist_moderation(), temporary_store(choice) as note:
        presentation = Presentation(sock, choice, note)
        try:
            presentation.run()
        except KeyboardInterrupt:
            pass
        finally:
            presentation.end()


class StageProcess:
    """A stage's process: it loads, and serves once `begin` is called."""

    def __init__(self, stage: str, sock: socket.socket) -> None:
        self.has_reported_exit = False
        # Its own session: a key that is pressed is for the parent alone.
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tools.run_on_socket",
                stage,
                str(sock.fileno()),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            pass_fds=[sock.fileno()],
            start_new_session=True,
        )

    def begin(self) -> None:
        """Let it serve."""
        assert self.process.stdin
        with suppress(OSError):  # it may have ended, and said why
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """End it, and all that it started; at worst, by force."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT)
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin
        self.process.stdin.close()


class Presentation:
    """The stage that runs, and the way to any other."""

    def __init__(
        self, sock: socket.socket, choice: Settings, store_note: str
    ) -> None:
        self.sock = sock
        self.store_note = store_note
        self.reload = choice.reload
        self.at = 0
        self.is_asked = False
        self.is_restart = False
        self.message = ""
        self.stage: StageProcess | None = None
        self.saved: dict[Path, int] = {}
        self.ai_settings = choose_ai_settings(choice)
        if choice.graceful_timeout is None:
            os.environ["GRACEFUL_TIMEOUT"] = "0"

    def run(self) -> None:
        """Start with the first stage; then follow the keys."""
        self.go(0)
        while True:
            keys = pressed_keys(POLL_INTERVAL)
            wanted = self.wanted(keys)
            if wanted is None:
                return
            if self.is_restart or wanted != self.at or self.is_saved():
                self.go(wanted)
            if keys:
                print(self.message, flush=True)
            self.report_exit()

    def wanted(self, keys: list[str]) -> int | None:
        """Return the stage that these keys lead to, None for the end."""
        at = self.at
        for key in keys:
            if key == TERMINAL_GONE or (key in END and self.is_asked):
                return None
            if self.is_asked:
                self.is_asked, self.message = False, "The demo goes on."
            elif key in END:
                self.is_asked, self.message = True, ASK
            else:
                at = self.follow(at, key)
        return at

    def follow(self, at: int, key: str) -> int:
        """Return the stage that a key leads to, and set the message."""
        name = KEY_NAMES.get(key, key if key.isprintable() else "That key")
        if key in map(str, range(1, len(STAGES) + 1)):
            self.is_restart = True
            self.message = f"{name}: stage {key}, started again."
            return int(key) - 1
        step = (key in NEXT) - (key in BACK)
        wanted = max(0, min(at + step, len(STAGES) - 1))
        if not step:
            self.message = f"{name} does nothing."
        elif wanted == at:
            which = "last" if step > 0 else "first"
            self.message = f"{name}: this is the {which} stage."
        else:
            self.message = f"{name}: stage {wanted + 1}."
        return wanted

    def go(self, at: int) -> None:
        """Replace the stage that runs.

        The new one loads while the old one ends, but never serves beside it: a
        page that reloads could reach the old one again.
        """
        self.at, self.is_restart = at, False
        self.show()
        if self.stage:  # the first one has no AI
            os.environ.update(self.ai_settings.result())
        self.is_saved()
        before = self.stage
        self.stage = StageProcess(STAGES[at].name, self.sock)
        if before:
            before.end()
        self.stage.begin()

    def show(self) -> None:
        """Clear the screen, and print the talking points and the address."""
        address = url(self.sock)
        width, height = shutil.get_terminal_size()
        text = talking_points(STAGES[self.at] / "README.md", address, width)
        if self.stage or text.count("\n") + BANNER_LINES > height:
            os.environ[QR_SHOWN_ENV] = "1"  # the start page has the code, too
        keys = f"\033[7m {address}   {KEYS} \033[0m"
        print(f"\033[2J\033[H{text}\n\n{keys}\n{self.store_note}", flush=True)

    def is_saved(self) -> bool:
        """Whether Python code of this stage was saved since the last look."""
        if not self.reload:
            return False
        with suppress(OSError):  # a file may be gone before it is looked at
            folders = STAGES[self.at], ROOT / "shared"
            before, self.saved = self.saved, mtimes(*folders, suffixes=(".py",))
            return before != self.saved
        return False

    def report_exit(self) -> None:
        """Print once that the stage has ended by itself."""
        stage = self.stage
        if stage is None or stage.has_reported_exit:
            return
        if stage.process.poll() is not None:
            stage.has_reported_exit = True
            print(f"It does not run. Mend it, or press {self.at + 1} again.")

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
        note = STORED_AFTER_END
    with ExitStack() as stack:
        if "store" not in choice.model_fields_set:
            with suppress(OSError):  # it may not be allowed to write
                folder = stack.enter_context(
                    TemporaryDirectory(ignore_cleanup_errors=True)
                )
                os.environ["STORE"] = f"sqlite:{folder}/messages.db"
                note = STORED_UNTIL_END
        yield note


@contextmanager
def single_keys() -> Iterator[None]:
    """Read each key at once, Ctrl+C too; then leave the terminal as it was."""
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0, termios.TCSANOW)
        mode = termios.tcgetattr(0)
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(0, termios.TCSANOW, mode)
        yield
    finally:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(0, termios.TCSANOW, before)


def pressed_keys(timeout: float) -> list[str]:
    """Return the keys pressed; "" among them if the terminal is gone."""
    ready, _, _ = select.select([0], [], [], timeout)
    if not ready:
        return []
    try:
        text = os.read(0, 1024).decode(errors="replace")
    except OSError:
        text = ""
    return re.findall(r"\033[\[O][0-9;]*[A-Za-z~]|[^\033]", text) or [text]


if __name__ == "__main__":
    main()
