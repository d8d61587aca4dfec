"""A thread that writes what all rooms append, many entries in one commit."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from .database import Database
from .integrity import FileGuard

T = TypeVar("T")

MOST = 500
"""How many jobs one commit holds."""

logger = logging.getLogger("party")


class Job(Generic[T]):
    """Something to be done to the file, all of it or nothing."""

    reads_only = False

    def __init__(self) -> None:
        self.done: asyncio.Future[T] = asyncio.Future()

    def work(self, database: Database) -> T:
        """Override to do it, in the writer's thread."""
        raise NotImplementedError

    def undo(self) -> None:
        """Override to forget that it was done, as it is not kept."""

    def settle(self, result: T) -> T:
        """Override to take up what came of it, in the loop's thread."""
        return result

    def end(self, result: T | Exception) -> None:
        """Tell whoever waits."""
        if isinstance(result, Exception):
            error: Exception | None = result
        else:
            try:
                settled, error = self.settle(result), None
            except Exception as mistake:
                error = mistake
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(settled)


class Writer:
    """Does jobs in the order in which they come."""

    guard: FileGuard | None = None
    trouble = ""
    """Why nothing can be written now, if so."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.guard = FileGuard(database)
        self.loop = asyncio.get_running_loop()
        self.jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self.thread = Thread(target=self.run, name="party log", daemon=True)
        self.thread.start()
        self.stopped = False

    async def do(self, job: Job[T]) -> T:
        """Have a job done; raises what it raised, or sqlite3.Error."""
        if self.stopped:
            raise sqlite3.ProgrammingError("the store is closed")
        self.jobs.put(job)
        return await job.done

    async def stop(self) -> None:
        """Do what is left, and close the file."""
        self.stopped = True
        self.jobs.put(None)
        await asyncio.to_thread(self.thread.join)
        self.database.close()
        if self.guard:
            self.guard.close()

    def run(self) -> None:
        """Take what waits, all at once, until there is no more."""
        while job := self.jobs.get():
            batch, last = [job], False
            while not (last or self.jobs.empty() or len(batch) == MOST):
                more = self.jobs.get()
                batch += [more] if more else []
                last = more is None
            ends = [*zip(batch, self.commit(batch), strict=True)]
            self.loop.call_soon_threadsafe(self.tell, ends)
            if last:
                return

    def tell(self, ends: list[tuple[Job[Any], Any]]) -> None:
        """Say what came of each, in the order of the places."""
        for job, result in ends:
            job.end(result)

    def commit(self, batch: list[Job[Any]]) -> list[Any]:
        """Do all, or nothing of what writes."""
        reading = all(job.reads_only for job in batch)
        try:
            if not reading:
                self._verify(FileGuard.verify)
            self.database.execute("BEGIN" if reading else "BEGIN IMMEDIATE")
            results = [self.attempt(job) for job in batch]
            self.database.execute("COMMIT")
            if not reading:
                self._verify(FileGuard.record)
                self._report("")
        except sqlite3.Error as error:
            self._report(str(error))
            with suppress(sqlite3.Error):  # there may be none to roll back
                self.database.execute("ROLLBACK")
            for job in reversed(batch):
                job.undo()
            return [
                # A room can be entered though it cannot be written to.
                self.commit([job])[0]
                if job.reads_only and not reading
                else error
                for job in batch
            ]
        return results

    def _verify(self, how: Callable[[FileGuard], None]) -> None:
        """Raise sqlite3.Error if what is written would not outlive us."""
        if self.guard:
            try:
                how(self.guard)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from None

    def _report(self, trouble: str) -> None:
        """Log that writing fails or works again, once each time it changes."""
        if trouble and trouble != self.trouble:
            logger.error("messages cannot be kept: %s", trouble)
        elif self.trouble and not trouble:
            logger.warning("messages are kept again")
        self.trouble = trouble

    def attempt(self, job: Job[Any]) -> Any:
        """What comes of a job: a mistake in one is not another's."""
        try:
            return job.work(self.database)
        except sqlite3.Error:
            raise
        except Exception as error:
            return error
