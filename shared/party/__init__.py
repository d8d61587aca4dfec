"""The party runtime: parties are classes, rooms are their live instances."""

from .entry import Entry
from .errors import Refused, Repeated
from .frames import Frame
from .log import Log
from .rooms import Connection, Room, Server

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
