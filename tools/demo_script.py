"""The demo script of README.md, stage by stage, for a terminal."""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from shared.settings import ROOT

README = ROOT / "README.md"

PART = r"(?ms)^### (\d+):(\d\d) · (.+?)$\n(.*?)(?=^### |\Z)"

BOLD, PLAIN = "\033[1m", "\033[0m"
INDENT = "    "
MAX_WIDTH = 92
"""Columns beyond which a line is hard to read."""


class Part(NamedTuple):
    """The script of a stage, or of the end; `mark` is its start in seconds."""

    mark: int
    title: str
    text: str


def read_script(readme: Path = README) -> list[Part]:
    """Return the parts of the script in Markdown; none without a README."""
    text = readme.read_text("utf-8") if readme.exists() else ""
    script = text.partition("## The demo script")[2].partition("\n## ")[0]
    return [
        Part(int(minutes) * 60 + int(seconds), title, body.strip())
        for minutes, seconds, title, body in re.findall(PART, script)
    ]


def wrap_script(text: str, width: int) -> list[str]:
    """Return the lines of a part; spoken ones are bold and indented."""
    lines: list[str] = []
    for block in re.split(r"\n(?:> *)?\n", text):
        indent = INDENT if block.startswith(">") else ""
        words = re.sub(r"[*`]", "", re.sub(r"^> ?", "", block, flags=re.M))
        wrapped = textwrap.wrap(
            words,
            min(width, MAX_WIDTH),
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        lines += [
            f"{BOLD}{each}{PLAIN}" if indent else each for each in wrapped
        ]
        lines.append("")
    return lines[:-1]
