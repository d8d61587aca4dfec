"""What leaves in one turn of the event loop: each socket has it in one go."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakKeyDictionary

MOST = 64 * 1024
"""Bytes after which the turn's end is not waited for."""

logger = logging.getLogger("party")


class Sender(Protocol):
    """Whoever has something to write when the turn ends."""

    def flush(self) -> None:
        """Write it."""


class Post:
    """All that is to be written in this turn of one event loop."""

    def __init__(self) -> None:
        self.senders: list[Sender] = []
        self.size = 0
        self.due = False

    def add(self, sender: Sender) -> None:
        """Have something flushed; once is enough."""
        self.senders.append(sender)

    def close(self, size: int) -> None:
        """See to it that what was added leaves: it is so much, to anybody."""
        self.size += size
        if self.size > MOST:
            self.flush()
        elif not self.due:
            asyncio.get_running_loop().call_soon(self._end_turn)
            self.due = True

    def flush(self) -> None:
        """Write it all now."""
        senders, self.senders, self.size = self.senders, [], 0
        for sender in senders:
            try:
                sender.flush()
            except Exception:
                logger.exception("what was said could not be written")

    def _end_turn(self) -> None:
        self.due = False
        self.flush()


posts: WeakKeyDictionary[asyncio.AbstractEventLoop, Post] = WeakKeyDictionary()


def post_of(loop: asyncio.AbstractEventLoop) -> Post:
    """The post of an event loop, of which each has one."""
    if loop not in posts:
        posts[loop] = Post()
    return posts[loop]
