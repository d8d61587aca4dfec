"""The party runtime: rooms, their connections, and how these are served."""

from .connection import Connection
from .encoding import Frame
from .errors import DuplicateMessage, MessageRejected
from .room import Room
from .server import Server
from .storage.entry import Entry
from .storage.log import Log

__all__ = [
    "Connection",
    "DuplicateMessage",
    "Entry",
    "Frame",
    "Log",
    "MessageRejected",
    "Room",
    "Server",
]
