"""The interface of a transport: how a room's frames reach its connections."""

from collections.abc import Callable, Collection, Hashable
from typing import Protocol, TypeAlias

from .connection import Connection
from .encoding import Frame


class ConnectionMap(dict[str, Connection]):
    """A room's connections, by id."""

    version = 0
    """Counts the connections that joined or left."""


class Transport(Protocol):
    """Delivers the broadcast frames of one room."""

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Send a frame to all connections but those ids; never waits.

        In a connection's queue, it replaces one that waits under its key.
        """


TransportFactory: TypeAlias = Callable[[ConnectionMap], Transport]
"""A function that makes a room's transport from its connections."""


class QueueTransport:
    """Hand each frame to each connection: works with every ASGI server."""

    def __init__(self, connections: ConnectionMap) -> None:
        self._connections = connections

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Queue a frame for each connection, or write it at once."""
        for connection in list(self._connections.values()):
            if connection.id not in without:
                connection._enqueue(frame, key)
