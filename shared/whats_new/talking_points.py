"""A stage's talking points: the sections of its README, as HTML."""

from collections.abc import Iterator, Sequence, Set
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it.token import Token


class Section(NamedTuple):
    """A heading and the HTML below it."""

    heading: str
    html: Markup


def read_sections(path: Path, files: Set[str]) -> Iterator[Section]:
    """Yield the sections of a README; none if it cannot be read.

    In `code`, the names of `files` become links to them on this page.
    """
    # Imported here: it is slow, and the server itself never needs it.
    from markdown_it import MarkdownIt

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    markdown = MarkdownIt("commonmark", {"html": False}).disable("image")
    markdown.add_render_rule("code_inline", render_code)
    tokens = markdown.parse(text)
    starts = [n for n, t in enumerate(tokens) if t.type == "heading_open"]
    for start, end in pairwise([*starts, len(tokens)]):
        _, heading, _, *body = tokens[start:end]
        env = {"files": files}
        html = markdown.renderer.render(body, markdown.options, env)
        yield Section(heading.content, Markup(html))


def render_code(
    _renderer: object,
    tokens: Sequence["Token"],
    index: int,
    _options: object,
    env: Any,
) -> str:
    """Render a code span, linked to its file if it is the name of one."""
    name = tokens[index].content
    code = f"<code>{escape(name)}</code>"
    if name not in env["files"]:
        return code
    return f'<a href="#file-{quote(name)}">{code}</a>'
