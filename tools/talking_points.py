"""A stage's talking points, from its README, for a terminal."""

import re
import textwrap
from pathlib import Path

BOLD, CODE, PLAIN = "\033[1m", "\033[36m", "\033[0m"
MAX_WIDTH = 92
"""Columns beyond which a line is hard to read."""

DEFAULT_ADDRESS = "http://127.0.0.1:1999"
"""The address that the READMEs name."""


def talking_points(readme: Path, address: str, width: int) -> str:
    """Return a README's text, wrapped, without its markup."""
    text = readme.read_text("utf-8").replace(DEFAULT_ADDRESS, address)
    text = re.sub(r"\*(\w.*?)\*", r"\1", text, flags=re.DOTALL)
    lines = [wrapped(each, min(width, MAX_WIDTH)) for each in blocks(text)]
    shown = "\n".join(lines).strip("\n")
    return re.sub(r"`([^`]+)`", rf"{CODE}\1{PLAIN}", shown)


def blocks(text: str) -> list[str]:
    """Return headings, paragraphs and items, each in one line."""
    separated = re.sub(r"^(#.*)$", r"\1\n", text, flags=re.MULTILINE)
    joined = re.sub(r"(?<!\n)\n(?!\n|- |\d+\. ) *", " ", separated)
    return [line for line in joined.split("\n") if line]


def wrapped(block: str, width: int) -> str:
    """Wrap a block; a heading is bold, a list item has a hanging indent."""
    if block.startswith("#"):
        return f"\n{BOLD}{block.lstrip('# ')}{PLAIN}"
    mark = re.match(r"- |\d+\. |", block)
    hanging = " " * len(mark[0]) if mark else ""
    return textwrap.fill(
        block,
        width,
        initial_indent="  ",
        subsequent_indent="  " + hanging,
        break_on_hyphens=False,
    )
