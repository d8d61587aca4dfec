"""The presenter's view: the script, the addresses and a clock, as lines."""

import shutil
import socket
import textwrap
import time
from collections.abc import Sequence

from shared.presenter.auth import presenter_banner
from shared.presenter.invite import NO_NETWORK, join_urls, terminal_qr_code
from shared.serve import url
from shared.settings import settings

from .demo_script import Part, read_script, wrap_script
from .terminal import Screen

REVERSE, PLAIN = "\033[7m", "\033[0m"

KEYS = "n next  b back  1-5 that stage  j k scroll  r QR code  t 0:00  q end"

SCROLL = {"j": 1, "\033[B": 1, "\033OB": 1, "k": -1, "\033[A": -1, "\033OA": -1}
"""Lines to scroll by, for each key: j and down, k and up."""

NOBODY_JOINS = "Nobody else can join: LAN=1 lets others in."
QR_DOES_NOT_FIT = "The QR code does not fit: make this window larger."


class PresenterView:
    """The script of a stage, the addresses, and the output of its process."""

    def __init__(self, sock: socket.socket, store_note: str) -> None:
        self.message = ""
        self._store_note = store_note
        self._join_urls = join_urls(sock.getsockname()[1])
        self._links = presenter_banner([url(sock), *self._join_urls])
        self._script = read_script()
        self._screen = Screen()
        self._began = time.monotonic()
        self._at = 0
        self._first_line = 0
        self._page = 1
        self._shows_qr_code = False

    def handle(self, key: str) -> bool:
        """Apply a key that changes only the view; return whether it does."""
        if key == "t":
            self._began = time.monotonic()
            self.message = "t: the time is 0:00."
        elif key == "r":
            has_code = bool(self._join_urls)
            self._shows_qr_code = has_code and not self._shows_qr_code
            self.message = "" if has_code else "r: there is no address to show."
        elif key == " " or key in SCROLL:
            self._first_line += SCROLL.get(key, self._page)
            self.message = ""
        else:
            return False
        return True

    def show(
        self, at: int, output: Sequence[str] = (), has_ended: bool = False
    ) -> None:
        """Show a stage, counted from 0, and what its process has printed."""
        if at != self._at:
            self._at, self._first_line, self._shows_qr_code = at, 0, False
        width, height = shutil.get_terminal_size()
        title = f"Stage {at + 1}"
        part = [*self._script, *[Part(0, title, "")] * (at + 1)][at]
        bottom = [self.message, f"{REVERSE}{f' {KEYS}'.ljust(width)}{PLAIN}"]
        top = [self._heading(part, width)]
        if self._shows_qr_code:
            top += self._qr_code(height - len(top) - len(bottom))
        else:
            if has_ended:
                advice = f"It does not run. Mend it, or press {at + 1} again."
                output = [*output, advice]
            top += [*self._addresses(width), self._store_note]
            top += wrap(output, width)[-height // 3 :]
            top += self._script_lines(part, width, height - len(top) - 2)
        top += [""] * (height - len(top) - len(bottom))
        self._screen.draw(top[: height - len(bottom)] + bottom)

    def _heading(self, part: Part, width: int) -> str:
        elapsed = clock(int(time.monotonic() - self._began))
        times = f"{elapsed} (script: {clock(part.mark)}) "
        title = f" {part.title}".ljust(width - len(times))
        return f"{REVERSE}{title}{times}{PLAIN}"

    def _addresses(self, width: int) -> list[str]:
        """Return the addresses for others, then the presenter's links."""
        lines = [NO_NETWORK if settings().lan else NOBODY_JOINS]
        if self._join_urls:
            lines = [f"Others join at {' or '.join(self._join_urls)}"]
        for each in self._links:
            label, _, link = each.partition(": ")
            fits = len(each) <= width
            lines += [each] if fits else [f"{label}:", link]
        return wrap(lines, width)

    def _qr_code(self, height: int) -> list[str]:
        best, *others = self._join_urls
        code = terminal_qr_code(best)
        if not code or len(code) >= height:
            code = [QR_DOES_NOT_FIT]
        also = [f"or at {each}" for each in others]
        return [f"Others join at {best}", *code, *also]

    def _script_lines(self, part: Part, width: int, height: int) -> list[str]:
        """Return a rule with the position, and as many lines as fit."""
        lines = wrap_script(part.text, width)
        self._page = max(1, height - 1)
        last = max(0, len(lines) - self._page)
        first = self._first_line = min(max(0, self._first_line), last)
        shown = lines[first : first + self._page]
        place = f"── lines {first + 1}–{first + len(shown)} of {len(lines)} "
        return [place.ljust(width, "─"), *shown]


def wrap(lines: Sequence[str], width: int) -> list[str]:
    """Wrap lines at spaces, and a longer word where it does not fit."""
    return [
        each
        for line in lines
        for each in textwrap.wrap(line, width, break_on_hyphens=False)
    ]


def clock(seconds: int) -> str:
    """Return minutes and seconds: 3:50."""
    return f"{seconds // 60}:{seconds % 60:02}"
