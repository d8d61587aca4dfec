"""The setting STORE: memory, or a file for the logs."""

from typing import Annotated

from pydantic import AfterValidator

from .sqlite import SQLiteBackend
from .sqlite_schema import check_file
from .store import MAX_ENTRIES, Store

SQLITE = "sqlite:"


def validate_store_url(url: str) -> str:
    """Return `memory`, or `sqlite:` and a file; ValueError for all else."""
    if url in ("", "memory"):
        return url
    path = url.removeprefix(SQLITE)
    # As in sqlite:///party.db and sqlite::memory:, which mean other things.
    is_other = path.startswith(("//", ":")) or path != path.strip()
    if not url.startswith(SQLITE) or not path or is_other:
        raise ValueError("give memory, or a file, as in sqlite:party.db")
    check_file(path)
    return url


StoreURL = Annotated[str, AfterValidator(validate_store_url)]


def open_store(url: str, history_limit: int) -> Store:
    """Return the store of a URL, which keeps a history in memory."""
    if url.startswith(SQLITE):
        backend = SQLiteBackend(url.removeprefix(SQLITE))
        return Store(history_limit, backend)
    return Store(max(MAX_ENTRIES, history_limit))
