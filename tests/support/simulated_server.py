"""The app in a loop whose clock and disk move only when the test says so."""

import asyncio
import json
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from selectors import DefaultSelector, SelectorKey
from typing import Any, TypeVar

from shared.ai import Prompt, ReplyFailed
from shared.ai.context import AppContext
from shared.chat.messages import Message
from shared.party.asgi import PartyApp
from shared.party.limits import Limits
from shared.party.registry import PartyRegistry
from shared.party.server import Server
from shared.party.storage.log import Log
from shared.party.storage.sqlite_writer import Writer
from shared.party.storage.store import Store
from shared.presenter.controls import PresenterControls

from .simulated_socket import Event, SimulatedSocket

T = TypeVar("T")

PLACE = "chatroom", "hello-world"

BOUNDS = Limits(max_messages_per_second=1)
"""Five may come at once: the sixth is refused."""


class TracebackHandler(logging.Handler):
    """Keeps what is logged with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.exc_info:
            self.found.append(record.getMessage())


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Runs until there is nothing to do; its time passes when told to."""

    def __init__(self, faults: list[Any]) -> None:
        self.now = self.until = 0.0
        self.disk: SimulatedDisk | None = None
        self.faults = faults
        super().__init__(SimulatedSelector(self))
        self.set_exception_handler(lambda _, what: faults.append(what))

    def time(self) -> float:
        """How late it is."""
        return self.now

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and do all that is to be done meanwhile."""
        self.until = self.now + seconds
        self.run_forever()
        self.now = self.until

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something that takes no time."""
        task = self.create_task(work)
        self.run()
        return task.result()


class SimulatedSelector(DefaultSelector):
    """Where a loop would wait, the disk writes, or time passes."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[SelectorKey, int]]:
        """Wait for nobody: there is nothing but the loop."""
        loop = self.loop
        if timeout == 0 or (loop.disk and loop.disk.write()):
            return []
        if timeout is None or timeout > loop.until - loop.now:
            loop.stop()
        else:
            loop.now += timeout
        return []


class Space:
    """A database on a disk that may be full, as is found out at the end."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.close = database.close
        self.is_full = False
        self.before = 0

    def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
        """Have a statement executed."""
        if query.startswith("BEGIN"):
            self.before = self.database.total_changes
        wrote = self.before < self.database.total_changes
        if query == "COMMIT" and self.is_full and wrote:
            raise sqlite3.OperationalError("database or disk is full")
        return self.database.execute(query, *values)

    def executemany(self, query: str, rows: Any) -> sqlite3.Cursor:
        """Have a statement executed for each row."""
        return self.database.executemany(query, rows)


class SimulatedDisk(Writer):
    """Writes a batch of jobs whenever the loop has nothing else to do."""

    def __init__(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA synchronous = OFF")
        self.database: Any = Space(database)
        self.waiting: deque[Any] = deque()
        self.jobs: Any = self
        self.stopped = False
        self.is_slow = False

    def put(self, job: Any) -> None:
        """Take a job, as a queue does."""
        self.waiting.append(job)

    def write(self, most: int = 500) -> bool:
        """Write what waits: whether there was any."""
        if self.is_slow or not self.waiting:
            return False
        self.write_now(most)
        return True

    def write_now(self, most: int) -> None:
        """Write so many jobs in one commit, even if the disk is slow."""
        some = range(min(most, len(self.waiting)))
        batch = [self.waiting.popleft() for _ in some]
        self._resolve([*zip(batch, self.execute(batch), strict=True)])

    async def stop(self) -> None:
        """Write what is left, and close the file."""
        self.stopped = True
        self.write_now(len(self.waiting))
        self.database.close()


class ScriptedAI:
    """An AI that answers questions, and says what it is told to say."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | None] | None = None

    async def should_reply(self, prompt: Prompt) -> bool:
        """Whether it was asked something."""
        return prompt[-1]["content"].endswith("?")

    async def stream_reply(
        self, prompt: Prompt, name: str = ""
    ) -> AsyncIterator[tuple[str, int]]:
        """Say one word after another; "" is the last one, None a failure."""
        self.words = words = asyncio.Queue()
        text = ""
        try:
            while word := await words.get():
                text += word
                yield text, 1
            if word is None:
                raise ReplyFailed("The AI has lost its voice.")
        finally:
            self.words = None


class SimulatedServer:
    """The server, from its start to its end, however that comes."""

    def __init__(
        self,
        loop: SimulatedLoop,
        parties: dict[str, type[Server]],
        store: Store,
        heard: set[str],
    ) -> None:
        self.loop = loop
        context = AppContext()
        context.model.kind = "openai"
        self.parties = PartyRegistry(parties, BOUNDS, store, context=context)
        self.edge = PartyApp(self.parties)
        self.acks: dict[str, int] = {}
        self.heard = heard
        self.sockets: list[SimulatedSocket] = []
        self.tasks: set[asyncio.Task[None]] = set()
        loop.do(store.start())
        self.disk = loop.disk = getattr(store.backend, "writer", None)

    @property
    def log(self) -> Log[Message]:
        """The room's log."""
        return self.parties.store.log(*PLACE, Message)

    @property
    def is_known(self) -> bool:
        """Whether anybody has been in the room yet."""
        return PLACE in self.parties.store.logs(Message)

    @property
    def is_busy(self) -> bool:
        """Whether anything goes on in the room."""
        room = self.parties.room(*PLACE)
        return room is not None and bool(room._tasks)

    def take(self, socket: SimulatedSocket) -> None:
        """Have a page connect."""
        scope = {
            "type": "websocket",
            "path": "/parties/{}/{}".format(*PLACE),
            "query_string": f"_pk={socket.id}".encode(),
            "headers": [],
            "extensions": {
                "party.socket": socket,
                "websocket.http.response": {},
            },
        }
        serving = self.edge(scope, socket.receive, socket.send)
        task = self.loop.create_task(serving)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def hear(self, event: Event) -> None:
        """Remember which messages have come."""
        frame = json.loads(event.get("text", "{}"))
        if frame.get("type") == "message":
            self.heard.add(frame["message"]["id"])

    def tell(self, event: Event) -> None:
        """Remember which messages were acknowledged."""
        frame = json.loads(event.get("text", "{}"))
        if frame.get("type") == "ack":
            self.acks[frame["id"]] = frame["seq"]

    def clear(self) -> asyncio.Task[None]:
        """Clear the room, as the presenter does."""
        clearing = self.loop.create_task(
            PresenterControls(self.parties).clear(*PLACE)
        )
        self.loop.run()
        return clearing

    def everything(self) -> list[Message]:
        """All that the room remembers, wherever it is kept."""
        return self.loop.do(self.log.before(2**62, 2**31))

    def check(self) -> None:
        """See that what was acknowledged is kept, without a gap."""
        log, kept = self.log, self.everything()
        seqs = {each.id: each.seq for each in kept}
        for id, seq in self.acks.items():
            assert seq < log.start or seqs[id] == seq
        if self.disk:
            # A row says where the log was cleared.
            start = max(0, log.start - 1)
            assert self.rows() == [*range(start, log.next_seq)]
        else:
            more = sum(each.role == "assistant" for each in kept)
            assert log.next_seq == log.start + len(kept) + more

    def rows(self) -> list[int]:
        """The sequence numbers that are taken in the file."""
        query = "SELECT seq FROM entries WHERE log = ? ORDER BY seq"
        rows = self.disk.database.execute(query, ["/".join((*PLACE, "main"))])
        return [seq for (seq,) in rows]

    def stop(self, grace: float) -> None:
        """End as it does after SIGTERM."""
        self.loop.create_task(self.parties.shutdown(grace))
        self.loop.run(grace + 1)
        faults = [*self.loop.faults]
        if self.disk:
            self.disk.is_slow = False
        self.loop.create_task(self.parties.store.stop())
        self.loop.run()
        self.kill(written=0)
        # A hook that waits for a slow disk even now finds no store.
        self.loop.faults[:] = faults

    def kill(self, written: int) -> None:
        """End as it does after SIGKILL: nobody hears of it any more.

        Of what waits for a slow disk, so many jobs are written.
        """
        self.loop.disk = None
        faults = [*self.loop.faults]
        for socket in self.sockets:
            socket.ended = True
        if self.disk and not self.disk.stopped:
            self.disk.stopped = True
            self.disk.write_now(written)
            self.disk.database.close()
        while tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self.loop.run()
        # A killed process reports nothing.
        self.loop.faults[:] = faults
