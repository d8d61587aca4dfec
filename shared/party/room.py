"""One live room: its connections, its logs, and the hooks that run in it."""

import asyncio
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from .connection import Connection
from .delivery import ConnectionMap, QueueTransport, TransportFactory
from .encoding import as_ids, encode
from .fetch import PartyNamespace
from .hooks import (
    Hook,
    HookResult,
    after_pending,
    finish_hook,
    has_started,
    reraise,
)
from .id_reservations import IdReservations
from .storage.log import MAIN, Log, M
from .storage.store import Store

MAX_KEYED_FRAMES_PER_SECOND = 30
"""Frames that share a key; of more, the latest is sent."""

SUPERSEDED = 4001, "Your place was taken from another window."
"""The close code and reason of a connection whose id connects again."""


class PartyLookup(Protocol):
    """The parties of an app, by name."""

    def __getitem__(self, name: str) -> PartyNamespace: ...


@dataclass
class RoomContext:
    """The objects of the app that each of its rooms uses."""

    parties: PartyLookup
    store: Store
    transport: TransportFactory = QueueTransport
    app: Any = None
    """The app's own objects, which its parties use."""


class Room:
    """One live room of a party.

    `party` is the party's name, `id` the room's. `connections_by_id` has its
    connections, and `parties["usage"].get("total")` is a room to `fetch`.
    `context` has the objects that the app makes for all rooms.
    """

    def __init__(self, party: str, id: str, context: RoomContext) -> None:
        self.party = party
        self.id = id
        self.parties = context.parties
        self.context = context.app
        self.connections_by_id = ConnectionMap()
        self.occupancy = 0
        """Connections and requests in the room, and those on their way."""
        self.page_log: Log[Any] | None = None
        """The room's main log, whose older entries pages fetch over HTTP."""
        self._store = context.store
        self._deliver = context.transport(self.connections_by_id).deliver
        self._reservations = IdReservations()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_task: asyncio.Task[None] | None = None
        self._start_task: asyncio.Task[None] | None = None
        # By key: what is sent next, or None if nothing has come since.
        self._pending: dict[Hashable, Callable[[], None] | None] = {}

    def __str__(self) -> str:
        return f"{self.party}/{quote(self.id)}"

    def connections(self) -> list[Connection]:
        """Return the connections that are in the room now."""
        return list(self.connections_by_id.values())

    def log(self, model: type[M], name: str = MAIN) -> Log[M]:
        """Return a log of such entries, which outlives the room.

        A room may have several logs, each with a name of its own.
        """
        log = self._store.log(self.party, self.id, model, name)
        if name == MAIN:
            self.page_log = log
        return log

    def broadcast(
        self,
        message: object,
        without: Collection[str] = (),
        key: Hashable = None,
        final: bool = False,
    ) -> None:
        """Send a message to all connections but those ids; never waits.

        Of the messages with one `key`, the latest is sent, at most 30 times a
        second; the `final` one is sent at once.
        """
        frame, left_out = encode(message), as_ids(without)
        if final and key in self._pending:
            self._pending[key] = None
            self._deliver(frame, left_out, key)
        else:
            self._throttle(key, lambda: self._deliver(frame, left_out, key))

    def cancel_hooks(
        self, among: Collection[asyncio.Task[None]] | None = None
    ) -> None:
        """Cancel the hooks that have started, and send what is held back.

        Without `among`, that is all of them.
        """
        for task in self._tasks if among is None else self._tasks & {*among}:
            # A hook that has not started is about what comes after.
            if has_started(task):
                task.cancel()
        self._flush_pending()

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in the room, and no hook runs in it."""
        is_starting = self._start_task and not self._start_task.done()
        return not (self.occupancy or self._tasks or is_starting)

    def _join(self, connection: Connection) -> None:
        """Add a connection; it supersedes one with the same id."""
        if earlier := self.connections_by_id.get(connection.id):
            earlier.close(*SUPERSEDED)
        self.connections_by_id[connection.id] = connection
        self.connections_by_id.version += 1

    def _leave(self, connection: Connection) -> None:
        """Remove a connection, unless it was superseded."""
        if self.connections_by_id.get(connection.id) is connection:
            del self.connections_by_id[connection.id]
            self.connections_by_id.version += 1

    def _run_hook(
        self, hook: Hook, *arguments: Any, caller: Connection | None = None
    ) -> None:
        """Run a hook; hooks start in arrival order.

        A hook that waits is a task of the room: it outlives the connection
        that caused it, and that connection's next message does not wait for
        it. `caller` is sent the MessageRejected that the hook raises.
        """
        if self._last_task and not has_started(self._last_task):
            result: HookResult = after_pending(hook, *arguments)
        else:
            try:
                result = hook(*arguments)
            except Exception as error:
                result = reraise(error)
        if result is not None:
            finishing = finish_hook(result, self, caller)
            self._last_task = task = asyncio.create_task(finishing)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _throttle(self, key: Hashable, send: Callable[[], None]) -> None:
        """Send now, or, if the key was sent just before, a moment later.

        A later frame with the same key replaces one that is held back.
        """
        if key is None:
            send()
        elif key in self._pending:
            self._pending[key] = send
        else:
            loop = asyncio.get_running_loop()
            interval = 1 / MAX_KEYED_FRAMES_PER_SECOND
            loop.call_later(interval, self._send_pending, key)
            self._pending[key] = None
            send()

    def _send_pending(self, key: Hashable) -> None:
        if send := self._pending.pop(key):
            self._throttle(key, send)

    def _flush_pending(self) -> None:
        """Send at once what is held back."""
        for key in list(self._pending):
            if send := self._pending[key]:
                self._pending[key] = None
                send()
