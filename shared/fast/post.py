"""What leaves in one turn of the event loop: each socket has it in one go."""

import asyncio
from weakref import WeakKeyDictionary

from ..party.outbox import Outbox

MOST = 64 * 1024
"""Bytes after which the turn's end is not waited for."""


class Post:
    """All that is to be written in this turn of one event loop.

    Most of what a frame costs is the system call that sends it. Where sixteen
    people speak at once, each of a hundred readers is written to once and not
    sixteen times.
    """

    def __init__(self) -> None:
        self.readers: list[Outbox] = []
        self.size = 0
        self.due = False

    def add(self, reader: Outbox, data: bytes) -> None:
        """Have something written to a reader whose line takes the shortcut."""
        pending: list[bytes] = reader.shortcut.pending
        if not pending:
            self.readers.append(reader)
        pending.append(data)

    def close(self, size: int) -> None:
        """See to it that what was added leaves: it is so much, to anybody."""
        self.size += size
        if self.size > MOST:
            self.flush()
        elif not self.due:
            self.due = True
            asyncio.get_running_loop().call_soon(self._end_turn)

    def flush(self) -> None:
        """Write it all now; who does not take it is left to the outbox."""
        readers, self.readers, self.size = self.readers, [], 0
        for reader in readers:
            if not reader.shortcut.flush():
                reader.watch()

    def _end_turn(self) -> None:
        self.due = False
        self.flush()


posts: WeakKeyDictionary[asyncio.AbstractEventLoop, Post] = WeakKeyDictionary()


def post_of(loop: asyncio.AbstractEventLoop) -> Post:
    """The post of an event loop, of which each has one."""
    if loop not in posts:
        posts[loop] = Post()
    return posts[loop]
