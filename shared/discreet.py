"""A log that keeps keys to itself, whatever the text of an error says."""

import logging
import sys
from io import TextIOWrapper

from .settings import settings

FORMAT = "%(levelname)s %(name)s: %(message)s"
SHORTEST = 8
"""Characters of a key; something shorter is a word that stands for none."""


class Discreet(logging.Formatter):
    """A service may repeat the key that it does not accept."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, with its traceback, but without the keys."""
        text = super().format(record)
        for key in (settings().openai_api_key, settings().presenter_key):
            if len(key) >= SHORTEST:
                text = text.replace(key, "…")
        return text


def print_anything() -> None:
    """Print a question mark for a character that the terminal cannot show."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def discreet_handler() -> logging.Handler:
    """What writes to the error output like that."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet(FORMAT))
    return handler
