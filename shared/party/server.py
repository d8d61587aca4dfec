"""Server: the class behind a URL that a party subclasses.

    class ChatRoom(Server):
        async def on_message(self, message, sender):
            self.room.broadcast(message, without=[sender.id])

The app names it, as in `parties={"chatroom": ChatRoom}`. The room "lobby" of
it is one instance, and a browser joins that with a WebSocket to
`/parties/chatroom/lobby`. The room is made when its first visitor comes.
"""

import logging
from collections.abc import Awaitable, Collection
from difflib import get_close_matches

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from .connection import Connection
from .encoding import Frame
from .hooks import HookResult
from .room import Room

logger = logging.getLogger("party")


class Server:
    """One room of a party: subclass it, and override its hooks.

    A hook is a `def` or an `async def`. Each call of an `async def` is a task
    of its own: it may take minutes, and the sender's next frame does not wait
    for it. Calls start in the order in which their causes arrived. A hook
    goes on when the connection that caused it closes.

    An exception in a hook is logged, and the room continues. A
    `MessageRejected` is sent to the connection that caused it.
    """

    rooms: Collection[str] | None = None
    """The ids of the only rooms, others get a 404; None: any id is a room."""

    max_frame_bytes: int | None = None
    """A larger frame is refused; None: MAX_FRAME_BYTES of the settings."""

    max_frames_per_second: float | None = None
    """Frames that one connection may send; faster ones replace each other.

    None: MAX_MESSAGES_PER_SECOND of the settings; faster ones are refused.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    def on_start(self) -> HookResult:
        """Prepare the room: runs once, before all other hooks, which wait."""

    def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> HookResult:
        """Welcome a connection, which is in the room already.

        `request` is its handshake, with the URL, headers and cookies.
        """

    def on_message(self, message: Frame, sender: Connection) -> HookResult:
        """Handle a frame: a `str` if it is text, `bytes` if it is binary.

        In the chat, a text frame from a browser is
        '{"type": "message", "message": {"id": "…", "body": "Hello!", …}}'.
        """

    def on_close(self, connection: Connection) -> HookResult:
        """Handle the end of a connection, which is in the room no more."""

    def on_request(self, request: Request) -> Response | Awaitable[Response]:
        """Answer an HTTP request to the room's URL, or another party's."""
        raise HTTPException(404)

    def __init_subclass__(cls) -> None:
        """Report mistakes that would otherwise have no visible effect."""
        super().__init_subclass__()
        name, rooms = cls.__name__, cls.rooms
        if isinstance(rooms, str):
            raise TypeError(f'{name}.rooms must be a list, as in ["{rooms}"]')
        known = {each for base in cls.__mro__[1:] for each in vars(base)}
        for own in vars(cls).keys() - known:
            for hook in get_close_matches(own, known, 1, 0.8):
                if hook.startswith("on_"):
                    logger.warning("%s.%s: the hook is %s", name, own, hook)
