"""The party runtime: parties are classes, rooms are their live instances."""

from .encoding import Frame
from .errors import Refused, Repeated
from .rooms import Connection, Room, Server
from .storage.entry import Entry
from .storage.log import Log

__all__ = [
    "Connection",
    "Entry",
    "Frame",
    "Log",
    "Refused",
    "Repeated",
    "Room",
    "Server",
]
