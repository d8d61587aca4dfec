"""The logs of all rooms of this process, in memory or in a backend."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any
from uuid import uuid4

from pydantic import AfterValidator

from .backend import Backend, LogKey, LogSnapshot, RoomKey, StorageError
from .log import MAIN, Entry, Log, M
from .sqlite import SQLiteBackend
from .sqlite_schema import check_file
from .stored_log import StoredLog

SQLITE = "sqlite:"

MAX_ENTRIES = 10_000
"""Entries of a log that a process without a backend keeps."""

POLL_INTERVAL = 1.0
"""Seconds between two polls for the writes of other processes, and between two
checkpoints of this one's open entries."""


class Store:
    """Holds the logs; without a backend, they last as long as the process."""

    def __init__(
        self, max_entries: int = MAX_ENTRIES, backend: Backend | None = None
    ) -> None:
        self.epoch = uuid4().hex
        self.max_entries = max_entries
        self.backend = backend
        self.status_line = backend.status_line if backend else ""
        # Called with None after another process has cleared the log.
        self.on_external_change: Callable[[RoomKey, Entry | None], None] = (
            lambda *_: None
        )
        self._logs: dict[LogKey, Log[Any]] = {}
        self._snapshots: dict[RoomKey, dict[str, LogSnapshot]] = {}

    async def start(self) -> None:
        """Open the backend; raises ValueError if it cannot be used."""
        if self.backend:
            await self.backend.open()
            self.epoch = self.backend.epoch
            self._polling = asyncio.create_task(self._poll_regularly())

    async def stop(self) -> None:
        """Write the pending entries, and close the backend."""
        if self.backend:
            self._polling.cancel()
            logs = self._stored_logs().values()
            for log in logs:
                log.stopping.set()
            for log in logs:
                await log.flush()
            await self.backend.close()

    async def load(self, party: str, room: str) -> None:
        """Read the logs of a room; raises StorageError."""
        if self.backend:
            key = party, room
            found = await self.backend.load(key, self.max_entries)
            self._snapshots[key] = found

    async def unloaded_rooms(self, count: int) -> list[RoomKey]:
        """Return rooms of the backend that nobody has entered, at most."""
        if not self.backend:
            return []
        loaded = {log[:2] for log in self._logs}
        rooms = await self.backend.list_rooms(count)
        return [room for room in rooms if room not in loaded]

    def log(
        self, party: str, room: str, model: type[M], name: str = MAIN
    ) -> Log[M]:
        """Return a log of a room, as it was loaded."""
        key = party, room, name
        if key not in self._logs:
            self._logs[key] = self._open(key, model)
        return self._logs[key]

    def _open(self, key: LogKey, model: type[M]) -> Log[M]:
        if not self.backend:
            return Log(self.epoch, model, self.max_entries)
        snapshots = self._snapshots.get(key[:2], {})
        return StoredLog(
            self.backend,
            key,
            model,
            self.max_entries,
            snapshots.pop(key[2], LogSnapshot([], 0, 0)),
            lambda log, entry: self.on_external_change(log[:2], entry),
        )

    def logs(self, model: type[M]) -> dict[RoomKey, Log[M]]:
        """Return the rooms' main logs that hold such entries."""
        return {
            (party, room): log
            for (party, room, name), log in self._logs.items()
            if name == MAIN and issubclass(log.model, model)
        }

    def release(self, party: str, room: str) -> None:
        """Drop the logs of an evicted room that are stored, or empty."""
        self._snapshots.pop((party, room), None)
        for key, log in list(self._logs.items()):
            is_stored = self.backend or not log
            if key[:2] == (party, room) and is_stored and not log.is_busy:
                del self._logs[key]

    def _stored_logs(self) -> dict[LogKey, StoredLog[Any]]:
        return {
            key: log
            for key, log in self._logs.items()
            if isinstance(log, StoredLog)
        }

    async def _poll_regularly(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            with suppress(StorageError):
                await self._poll()
                await self._checkpoint()

    async def _poll(self) -> None:
        """Apply the writes of other processes."""
        logs = self._stored_logs()
        positions = {key: log.next_seq for key, log in logs.items()}
        if self.backend:
            found = await self.backend.poll(positions)
            for key, records in found.items():
                logs[key].apply_external(records)

    async def _checkpoint(self) -> None:
        """Write the text so far of open entries, in case of a crash."""
        logs = self._stored_logs()
        changes = [change for log in logs.values() for change in log.grown()]
        if self.backend and changes:
            await self.backend.update(changes)
            for key, record in changes:
                logs[key].note_stored(record)


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
