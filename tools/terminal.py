"""The terminal of `make present`: single keys, and a screen of lines."""

import os
import re
import select
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TERMINAL_GONE = ""
"""Stands for a key when the terminal is closed."""

ENTER_SCREEN = "\033[?1049h\033[?25l\033[?7l"
LEAVE_SCREEN = "\033[?7h\033[?25h\033[?1049l"
"""The alternate screen, without a cursor; lines that are too long are cut."""


@contextmanager
def full_screen() -> Iterator[None]:
    """Read each key at once, Ctrl+C too; then leave the terminal as it was."""
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0, termios.TCSANOW)
        mode = termios.tcgetattr(0)
        mode[0] &= ~termios.IXON  # Ctrl+S would stop all output
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(0, termios.TCSANOW, mode)
        print(ENTER_SCREEN, end="", flush=True)
        yield
    finally:
        with suppress(OSError):  # the terminal may be gone
            print(LEAVE_SCREEN, end="", flush=True)
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, before)


def pressed_keys(others: list[int], timeout: float) -> list[str]:
    """Return the keys pressed, once there are any or `others` can be read.

    TERMINAL_GONE is among them if the terminal is.
    """
    ready, _, _ = select.select([0, *others], [], [], timeout)
    if 0 not in ready:
        return []
    try:
        text = os.read(0, 1024).decode(errors="replace")
    except OSError:
        text = TERMINAL_GONE
    return re.findall(r"\033[\[O][0-9;]*[A-Za-z~]|[^\033]", text) or [text]


class Screen:
    """The lines on the terminal.

    Only lines that change are drawn, so that text can be selected.
    """

    def __init__(self) -> None:
        self._size = os.terminal_size((0, 0))
        self._lines: list[str] = []

    def draw(self, lines: list[str]) -> None:
        """Show these lines, from the top."""
        size, text = shutil.get_terminal_size(), ""
        if size != self._size:
            self._size, self._lines, text = size, [""] * size.lines, "\033[2J"
        lines = (lines + [""] * size.lines)[: size.lines]
        for row, (line, before) in enumerate(
            zip(lines, self._lines, strict=True), 1
        ):
            if line != before:
                text += f"\033[{row};1H\033[K{line}"
        self._lines = lines
        if text:
            print(text, end="", flush=True)
