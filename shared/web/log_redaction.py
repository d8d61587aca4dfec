"""Log without secrets, without control characters, and at a limited rate."""

import logging
import sys
import traceback
from collections import Counter
from functools import lru_cache
from io import TextIOWrapper
from typing import Any

from ..party import TokenBucket
from ..settings import settings
from .traceback_summary import TRACEBACK, escape_unprintable

LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"
BURST_RECORDS = 20
RECORDS_PER_SECOND = 0.2
"""The limit for records of one kind."""

MAX_KINDS = 1_000
"""Kinds of records to count at once; some libraries make up many."""

MIN_SECRET_LENGTH = 8
"""Characters; a shorter secret may be an ordinary word."""


class RedactingFormatter(logging.Formatter):
    """Replace secrets: a service may repeat a key that it refuses."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its traceback, without the secrets."""
        text = super().format(record)
        secrets = (
            settings().openai_api_key,
            settings().presenter_key,
            settings().cookie_secret,
        )
        for secret in secrets:
            if len(secret) >= MIN_SECRET_LENGTH:
                text = text.replace(secret, "…")
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format a message as one line, as its text may come from others."""
        text = super().formatMessage(record)
        if record.message.startswith(TRACEBACK):
            return escape_lines(text)  # as uvicorn logs a failed start
        skipped = getattr(record, "skipped", 0)
        more = f" (and {skipped} more like this)" if skipped else ""
        return escape_unprintable(text) + more

    def formatException(self, ei: Any) -> str:
        """Format a traceback, without control characters in its lines."""
        return escape_lines(super().formatException(ei))


def escape_lines(text: str) -> str:
    """Escape the unprintable characters in each line of a text."""
    return "\n".join(map(escape_unprintable, text.split("\n")))


class LogRateLimit(logging.Filter):
    """Limit the rate of the records of one kind.

    Records of one kind have the same message before formatting, and the same
    exception from the same line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate_of = lru_cache(MAX_KINDS)(
            lambda kind: TokenBucket(RECORDS_PER_SECOND, BURST_RECORDS)
        )
        self.skipped: Counter[object] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to log a record; set how many were skipped before it."""
        kind: object = record.name, record.msg
        if record.exc_info and record.exc_info[2]:
            *_, last = traceback.walk_tb(record.exc_info[2])
            kind = kind, record.exc_info[0], last[0].f_code, last[1]
        allowed = self.rate_of(kind).try_consume()
        if allowed:
            record.skipped = self.skipped.pop(kind, 0)
        else:
            self.skipped[kind] += 1
        return allowed


def replace_unprintable() -> None:
    """Print `?` in place of characters that the terminal cannot show."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def redacting_handler() -> logging.Handler:
    """Return a handler that logs to standard error like that."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(LOG_FORMAT))
    handler.addFilter(LogRateLimit())
    return handler
