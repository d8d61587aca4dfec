"""What goes on in a room: who is there, and the hooks that run for them."""

import asyncio
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from .hooks import Caller, Hook, Waits, begun, fail, in_turn, run_hook
from .id_reservations import Places
from .outbox import Outbox

if TYPE_CHECKING:
    from .registry import Parties

FRAMES_A_SECOND = 30
"""How often frames that share a key leave."""

SUPERSEDED = 4001, "Your place was taken from another window."
"""With what a connection gives way to a later one with its id."""

C = TypeVar("C", bound=Outbox)


class Present(dict[str, C]):
    """Who is there, by their ids; `turnover` counts who came or went."""

    turnover = 0


class Gathering(Generic[C]):
    """The inside of a room, of which the room itself shows what matters."""

    def __init__(self, party: str, id: str, parties: "Parties") -> None:
        self.party = party
        self.id = id
        self.parties = parties
        self.present: Present[C] = Present()
        self.places = Places()
        self.hooks: set[asyncio.Task[None]] = set()
        self.newest: asyncio.Task[None] | None = None
        self.guests = 0
        self.started: asyncio.Task[None] | None = None
        self._held: dict[Hashable, Callable[[], None] | None] = {}

    def __str__(self) -> str:
        return f"{self.party}/{quote(self.id)}"

    @property
    def idle(self) -> bool:
        """Whether nobody is in the room and nothing is going on in it."""
        starting = self.started and not self.started.done()
        return not (self.guests or self.hooks or starting)

    def join(self, connection: C) -> None:
        """Let a connection in; one that is there under its id gives way."""
        if earlier := self.present.get(connection.id):
            earlier.close(*SUPERSEDED)
        self.present[connection.id] = connection
        self.present.turnover += 1

    def leave(self, connection: C) -> None:
        """Let a connection go, unless a later one has its id by now."""
        if self.present.get(connection.id) is connection:
            del self.present[connection.id]
            self.present.turnover += 1

    def run(
        self, hook: Hook, *arguments: Any, caller: Caller | None = None
    ) -> None:
        """Start a hook, whoever caused it; they begin in the order of that.

        One that waits is a task of the room's own: it goes on when the
        connection that it was started for ends, and the connection's next
        message doesn't wait for it.
        """
        if self.newest and not begun(self.newest):
            waits: Waits = in_turn(hook, *arguments)
        else:
            try:
                waits = hook(*arguments)
            except Exception as error:
                waits = fail(error)
        if waits is not None:
            self.newest = asyncio.create_task(run_hook(waits, self, caller))
            self.hooks.add(self.newest)
            self.newest.add_done_callback(self.hooks.discard)

    def interrupt(self) -> None:
        """End the hooks that have begun, and send what is held back."""
        for hook in self.hooks:
            # One that has not begun is about what comes after.
            if begun(hook):
                hook.cancel()
        self.release_all()

    def pace(self, key: Hashable, send: Callable[[], None]) -> None:
        """Send now, or, if its key was sent just before, when its turn comes.

        Whatever comes under the same key meanwhile takes its place.
        """
        if key is None:
            send()
        elif key in self._held:
            self._held[key] = send
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(1 / FRAMES_A_SECOND, self._release, key)
            self._held[key] = None
            send()

    def _release(self, key: Hashable) -> None:
        if send := self._held.pop(key):
            self.pace(key, send)

    def release_all(self) -> None:
        """Send at once what is held back, as the room is about to end."""
        for key in list(self._held):
            if send := self._held[key]:
                self._held[key] = None
                send()
