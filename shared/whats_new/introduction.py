"""The introduction of a stage, from its README, as HTML."""

from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

START, END = "\n## What is new\n", "\n## "
"""The lines before and after it; later sections are for the presenter."""


class Introduction(NamedTuple):
    """A stage's title and the HTML below it."""

    title: str
    html: Markup


def read_introduction(path: Path) -> Introduction | None:
    """Return the introduction in a README; None if it cannot be read."""
    # Imported here: it is slow, and the server itself never needs it.
    from markdown_it import MarkdownIt

    try:
        title, _, rest = path.read_text("utf-8").partition(START)
    except (OSError, UnicodeDecodeError):
        return None
    markdown = MarkdownIt("commonmark", {"html": False}).disable("image")
    html = Markup(markdown.render(rest.partition(END)[0]))
    return Introduction(title.strip("# \n"), html)
