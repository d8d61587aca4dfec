"""How a reply failed: in words for a visitor, and in a line for the log."""

import traceback
from pathlib import Path

from .replay import NotRecorded

MISTAKES = NameError, TypeError, AttributeError, LookupError
"""What is no fault of a model, but of the code that asks it."""

WRONG = "Something went wrong with this reply. Try again."


def words(error: Exception) -> str:
    """What went wrong, for somebody who only wanted an answer."""
    if isinstance(error, NotRecorded):
        return str(error)
    status = getattr(error, "status_code", None)
    if isinstance(error, MISTAKES):
        return WRONG
    if isinstance(error, ImportError):
        return "No AI is installed here, so nobody can answer."
    # The clients have timeouts of their own, by many names.
    if "Timeout" in type(error).__name__:
        return "The AI went silent, so this reply ends here. Try again."
    if status in (401, 403):
        return "The AI does not accept this app’s key, so it cannot answer."
    if status == 404:
        return "The AI does not have the model that this app asks for."
    if status == 429:
        return "The AI has too much to do right now. Try again in a minute."
    if status in (400, 413, 422):
        return "The AI could not work with that. Try it with other words."
    if status is not None:
        return "The AI has a problem of its own. Try again in a moment."
    return "The connection to the AI failed. Try again in a moment."


def details(error: Exception, file: str) -> str:
    """One line for the log: what a server says may be a whole page.

    Of a mistake, it tells the last line of `file` that led to it.
    """
    line = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    frames = traceback.extract_tb(error.__traceback__)
    here = [frame.lineno for frame in frames if frame.filename == file]
    if isinstance(error, MISTAKES) and here:
        return f"{Path(file).name}, line {here[-1]}: {line}"
    return line
