"""What went wrong in somebody's code: the place and the words, in one line."""

import re
from pathlib import Path

BEGIN = "Traceback (most recent call last):\n"
FRAME = re.compile(r'  File "(.+)", line (\d+)')


def escape_unprintable(text: str) -> str:
    """Write line breaks and terminal codes as Python would, as in `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def trouble(text: str, folder: Path) -> str:
    """What the last traceback in a text says of the code in a folder.

    As in `my_demo/app.py, line 7: NameError: name 'x' is not defined`; empty
    if there is no traceback, or it never was in that folder.
    """
    _, begin, told = text.rpartition(BEGIN)
    lines = told.splitlines() if begin else []
    words = next((line for line in lines if not line.startswith(" ")), "")
    found = ""
    for line in lines:
        frame = FRAME.match(line)
        if frame and Path(frame[1]).is_relative_to(folder):
            name = Path(frame[1]).relative_to(folder.parent).as_posix()
            found = f"{name}, line {frame[2]}: "
    return found and found + words.removeprefix("SyntaxError: ")
