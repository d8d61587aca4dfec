"""The party runtime: parties are classes, rooms are their live instances."""

from .errors import Refused, Repeated
from .log import Entry, Log
from .outbox import Frame
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
