"""Summarize a traceback in one line: the place, and the error."""

import re
from pathlib import Path

TRACEBACK = "Traceback (most recent call last):\n"
FRAME_LINE = re.compile(r'  File "(.+)", line (\d+)')


def escape_unprintable(text: str) -> str:
    """Escape line breaks and terminal codes as Python does: `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def summarize_traceback(text: str, folder: Path) -> str:
    """Summarize the last traceback in a text, with its last line in a folder.

    Such as `my_demo/app.py, line 7: NameError: name 'x' is not defined`; ""
    without a traceback, or if none of its lines is in that folder.
    """
    _, begin, rest = text.rpartition(TRACEBACK)
    lines = rest.splitlines() if begin else []
    error = next((line for line in lines if not line.startswith(" ")), "")
    place = ""
    for line in lines:
        frame = FRAME_LINE.match(line)
        if frame and Path(frame[1]).is_relative_to(folder):
            name = Path(frame[1]).relative_to(folder.parent).as_posix()
            place = f"{name}, line {frame[2]}: "
    return place and place + error.removeprefix("SyntaxError: ")
