"""A party is a class; a room is where people meet; each is a connection."""

from collections.abc import Awaitable, Collection, Hashable

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from .encoding import Frame, encode, ids
from .gathering import Gathering
from .hooks import Waits
from .limits import Limits
from .outbox import Outbox
from .storage.log import Log, M


class Connection(Outbox):
    """One WebSocket in one room; `id` names it."""

    def send(self, message: object) -> None:
        """Send to this connection alone; never waits."""
        self.put(encode(message))


class Room(Gathering[Connection]):
    """One room: who is in it, what it remembers, whom it tells."""

    def connections(self) -> list[Connection]:
        """Everybody who is in the room now."""
        return list(self.present.values())

    def log(self, model: type[M]) -> Log[M]:
        """What the room remembers, also when nobody is in it."""
        return self.parties.store.log(self.party, self.id, model)

    def broadcast(
        self,
        message: object,
        without: Collection[str] = (),
        key: Hashable = None,
    ) -> None:
        """Tell everybody except those ids; never waits for any of them.

        Of those with one `key` the newest is sent, 30 times a second at most.
        """
        frame, left_out = encode(message), ids(without)
        self.pace(key, lambda: self.deliver(frame, left_out, key))

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Hand a frame to everybody's outbox."""
        for connection in self.connections():
            if connection.id not in without:
                connection.put(frame, key)


class Server(Limits):
    """A party: each room has one; override its hooks, `async` or not."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def on_start(self) -> Waits:
        """Override to prepare, before anything else reaches the room."""

    def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> Waits:
        """Override to greet a newcomer."""

    def on_message(self, message: Frame, sender: Connection) -> Waits:
        """Override to act on what somebody sent."""

    def on_close(self, connection: Connection) -> Waits:
        """Override to act on somebody's leaving."""

    def on_request(self, request: Request) -> Response | Awaitable[Response]:
        """Override to answer plain HTTP."""
        raise HTTPException(404)
