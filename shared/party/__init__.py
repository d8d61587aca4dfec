"""The party runtime: rooms, their connections, and how these are served."""

from .asgi import PartyApp
from .connection import Connection
from .encoding import Frame
from .errors import DuplicateMessage, MessageRejected
from .limits import Limits, TokenBucket
from .registry import PartyRegistry
from .room import Room
from .server import Server
from .storage.log import Entry, Log

__all__ = [
    "Connection",
    "DuplicateMessage",
    "Entry",
    "Frame",
    "Limits",
    "Log",
    "MessageRejected",
    "PartyApp",
    "PartyRegistry",
    "Room",
    "Server",
    "TokenBucket",
]
