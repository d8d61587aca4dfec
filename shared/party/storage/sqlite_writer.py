"""A thread that runs all statements, many writes in one commit."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from .backend import StorageError, resolve_future
from .sqlite_integrity import FileGuard

T = TypeVar("T")

Database: TypeAlias = sqlite3.Connection

MAX_JOBS_PER_COMMIT = 500

logger = logging.getLogger("party")


class Job(NamedTuple, Generic[T]):
    """A function to run in the writer's thread, and its future result."""

    function: Callable[[Database], T]
    reads_only: bool
    done: asyncio.Future[T]


class Writer:
    """Executes jobs in the order in which they were submitted."""

    guard: FileGuard | None = None
    error = ""
    """The reason why nothing can be written now, if there is one."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.guard = FileGuard(database)
        self.loop = asyncio.get_running_loop()
        self.jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self.thread = Thread(target=self._run, name="party log", daemon=True)
        self.thread.start()
        self.stopped = False

    async def submit(
        self, function: Callable[[Database], T], reads_only: bool = False
    ) -> T:
        """Run a function on the database, and return its result.

        Raises the function's exception, or StorageError.
        """
        if self.stopped:
            raise StorageError("the store is closed")
        job = Job[T](function, reads_only, asyncio.Future())
        self.jobs.put(job)
        return await job.done

    async def stop(self) -> None:
        """Run the jobs that are left, and close the file."""
        self.stopped = True
        self.jobs.put(None)
        await asyncio.to_thread(self.thread.join)
        self.database.close()
        if self.guard:
            self.guard.close()

    def _run(self) -> None:
        """Take all jobs that wait, until there are no more to come."""
        while job := self.jobs.get():
            batch, last = [job], False
            while not (
                last or self.jobs.empty() or len(batch) == MAX_JOBS_PER_COMMIT
            ):
                more = self.jobs.get()
                batch += [more] if more else []
                last = more is None
            results = [*zip(batch, self.execute(batch), strict=True)]
            self.loop.call_soon_threadsafe(self._resolve, results)
            if last:
                return

    def _resolve(self, results: list[tuple[Job[Any], Any]]) -> None:
        """Set the results, in the order of the sequence numbers."""
        for job, result in results:
            resolve_future(job.done, result)

    def execute(self, batch: list[Job[Any]]) -> list[Any]:
        """Run all jobs in one transaction, or none of those that write."""
        reading = all(job.reads_only for job in batch)
        try:
            if self.guard and not reading:
                self.guard.verify()
            self.database.execute("BEGIN" if reading else "BEGIN IMMEDIATE")
            results = [self._attempt(job) for job in batch]
            self.database.execute("COMMIT")
            if not reading:
                if self.guard:
                    self.guard.record()
                self._report("")
        except (sqlite3.Error, OSError) as error:
            self._report(str(error))
            with suppress(sqlite3.Error):  # there may be none to roll back
                self.database.execute("ROLLBACK")
            failure = StorageError(str(error))
            return [
                # A room can be entered though it cannot be written to.
                self.execute([job])[0]
                if job.reads_only and not reading
                else failure
                for job in batch
            ]
        return results

    def _report(self, error: str) -> None:
        """Log that writing fails or works again, once for each change."""
        if error and error != self.error:
            logger.error("messages cannot be stored: %s", error)
        elif self.error and not error:
            logger.warning("messages are stored again")
        self.error = error

    def _attempt(self, job: Job[Any]) -> Any:
        """Return the result of a job, or a mistake that concerns it alone."""
        try:
            return job.function(self.database)
        except sqlite3.Error:
            raise
        except Exception as error:
            return error
