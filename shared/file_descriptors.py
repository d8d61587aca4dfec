"""The limit of open files and sockets, and how many people fit into it."""

import logging
import sys
from contextlib import suppress

MAX_DESCRIPTORS = 1_048_576
"""A higher limit slows programs that close all possible descriptors."""

RESERVED_DESCRIPTORS = 64
"""For files, libraries, and HTTP connections."""

DESCRIPTORS_PER_PERSON = 2
"""One socket for the chat, and one for the cursors."""

MIN_PEOPLE = 250
"""A limit for fewer people is worth a warning."""

logger = logging.getLogger("party")


def ensure_descriptors() -> None:
    """Raise the limit of open files; warn if it is too low for many people."""
    limit = raise_limit()
    if (people := people_within(limit)) < MIN_PEOPLE:
        logger.warning(
            "Only %s files may be open: enough for %s people", limit, people
        )


def raise_limit() -> int:
    """Raise the limit of open files as far as is allowed; return it."""
    if sys.platform == "win32":
        return MAX_DESCRIPTORS
    import resource

    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    # macOS reports no limit, and has one.
    for wanted in sorted({min(allowed, MAX_DESCRIPTORS), 65_536, 10_240}):
        if limit < wanted <= allowed:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                limit = wanted
    return limit


def people_within(limit: int) -> int:
    """Return about how many people may be connected at once."""
    return max(0, limit - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_PERSON
