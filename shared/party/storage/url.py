"""Where logs are kept: in memory, or in a file that STORE names."""

from typing import Annotated

from pydantic import AfterValidator

from .database import check
from .memory import MOST, Store
from .sqlite import DurableStore

SQLITE = "sqlite:"


def known(store: str) -> str:
    """Take `memory`, or `sqlite:` and a file, as Settings does.

    Raises ValueError for a file that cannot be used.
    """
    if store in ("", "memory"):
        return store
    path = store.removeprefix(SQLITE)
    # As in sqlite:///party.db and sqlite::memory:, which mean other things.
    elsewhere = path.startswith(("//", ":")) or path != path.strip()
    if not store.startswith(SQLITE) or not path or elsewhere:
        raise ValueError("give memory, or a file, as in sqlite:party.db")
    check(path)
    return store


Stored = Annotated[str, AfterValidator(known)]


def open_store(store: str, history: int) -> Store:
    """The store that a setting names; it has a history at hand."""
    if store.startswith(SQLITE):
        return DurableStore(store.removeprefix(SQLITE), history)
    return Store(max(MOST, history))
