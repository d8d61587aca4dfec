"""The numbers of a presentation, from the file with its messages."""

import sqlite3
from contextlib import closing, suppress
from functools import cache

from shared.party.storage.store import SQLITE

MESSAGES = """
SELECT count(*), count(DISTINCT json_extract(entry, '$.user')) FROM entries
WHERE log LIKE 'chatroom/%' AND seq = first AND entry != ''
AND json_extract(entry, '$.role') = ?
"""
"""Of a role: its messages, and those who wrote them. Updates do not count."""

TOKENS = """
SELECT coalesce(sum(json_extract(entry, '$.usage')), 0) FROM entries
WHERE log LIKE 'usage/%' AND seq = first AND entry != ''
"""


@cache
def read_totals(store: str) -> dict[str, int]:
    """Return the totals by name; none if messages are not in a SQLite file."""
    if not store.startswith(SQLITE):
        return {}
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(store.removeprefix(SQLITE))) as database,
    ):
        messages, people = database.execute(MESSAGES, ["user"]).fetchone()
        replies, _ = database.execute(MESSAGES, ["assistant"]).fetchone()
        (tokens,) = database.execute(TOKENS).fetchone()
        return {
            "People": people,
            "Messages": messages,
            "Replies of the AI": replies,
            "Tokens": tokens,
        }
    return {}
