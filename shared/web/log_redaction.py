"""A log that keeps keys to itself, whatever the text of an error says."""

import logging
import sys
import traceback
from collections import Counter
from io import TextIOWrapper
from typing import Any

from ..party.limits import Rate
from ..settings import settings
from .traceback_summary import BEGIN, escape_unprintable

FORMAT = "%(levelname)s %(name)s: %(message)s"
MAX_LINES = 20
LINES_PER_SECOND = 0.2
"""Of one kind: so many at first, and then at this rate."""

MAX_KINDS = 1_000
"""Kinds that are remembered at once; some libraries make up many."""

SHORTEST = 8
"""Characters of a key; something shorter is a word that stands for none."""


class Discreet(logging.Formatter):
    """A service may repeat the key that it does not accept."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, with its traceback, but without the keys."""
        text = super().format(record)
        secrets = (
            settings().openai_api_key,
            settings().presenter_key,
            settings().cookie_secret,
        )
        for key in secrets:
            if len(key) >= SHORTEST:
                text = text.replace(key, "…")
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write a message in one line; others may have worded it."""
        text = super().formatMessage(record)
        if record.message.startswith(BEGIN):  # as uvicorn logs a failed start
            return escape_lines(text)
        skipped = getattr(record, "skipped", 0)
        more = f" (and {skipped} more like this)" if skipped else ""
        return escape_unprintable(text) + more

    def formatException(self, ei: Any) -> str:
        """Write a traceback."""
        return escape_lines(super().formatException(ei))


def escape_lines(text: str) -> str:
    """Escape what is not printable in each line of a text."""
    return "\n".join(map(escape_unprintable, text.split("\n")))


class LogRateLimit(logging.Filter):
    """Let a few records of one kind through, and then one now and then.

    Of one kind are those with the same words in the code, whatever stands in
    between, and with the same exception from the same line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rates: dict[object, Rate] = {}
        self.skipped: Counter[object] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write a record, and how many were not before it."""
        kind: object = record.name, record.msg
        if record.exc_info and record.exc_info[2]:
            *_, last = traceback.walk_tb(record.exc_info[2])
            kind = kind, record.exc_info[0], last[0].f_code, last[1]
        if len(self.rates) >= MAX_KINDS:
            self.rates.clear()
        rate = self.rates.setdefault(kind, Rate(LINES_PER_SECOND, MAX_LINES))
        allowed = rate.allows()
        if allowed:
            record.skipped = self.skipped.pop(kind, 0)
        else:
            self.skipped[kind] += 1
        return allowed


def print_anything() -> None:
    """Print a question mark for a character that the terminal cannot show."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def discreet_handler() -> logging.Handler:
    """What writes to the error output like that."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet(FORMAT))
    handler.addFilter(LogRateLimit())
    return handler
