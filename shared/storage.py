"""Where logs are kept: in memory, or in a file that STORE names."""

from typing import Annotated

from pydantic import AfterValidator

from .party.disk import check
from .party.durable import DurableStore
from .party.store import MOST, Store

SQLITE = "sqlite:"


def known(store: str) -> str:
    """Take `memory`, or `sqlite:` and a file, as Settings does.

    Raises ValueError for a file that cannot be used.
    """
    if store.startswith(SQLITE) and store != SQLITE:
        check(store.removeprefix(SQLITE))
    elif store not in ("", "memory"):
        raise ValueError("give memory, or sqlite: and a file")
    return store


Stored = Annotated[str, AfterValidator(known)]


def open_store(store: str, history: int) -> Store:
    """The store that a setting names; it has a history at hand."""
    if store.startswith(SQLITE):
        return DurableStore(store.removeprefix(SQLITE), history)
    return Store(max(MOST, history))
