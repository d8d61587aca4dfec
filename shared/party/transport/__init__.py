"""The fast path: see README.md. Nothing but the launcher knows of it."""

import gc

from ..rooms import Connection, Room
from .batched_room import deliver, send
from .batching_protocol import BatchingProtocol
from .handshake import FastHandshakeHTTP

__all__ = [
    "BatchingProtocol",
    "FastHandshakeHTTP",
    "deliver",
    "install",
    "send",
]


def install() -> None:
    """Have every room of this process tell what it tells the fast way.

    Connections without the shortcut are served as they are without this.
    """
    # Thousands of connections are no garbage, and are not looked through for
    # it each time that some more come.
    gc.set_threshold(100_000, 50, 100)
    Room.deliver = deliver  # type: ignore[assignment, method-assign]
    Connection.send = send  # type: ignore[assignment, method-assign]
