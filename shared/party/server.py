"""Server: the class behind a URL, which a party subclasses.

    class ChatRoom(Server):
        async def on_message(self, message, sender):
            self.room.broadcast(message, without=[sender.id])

An app names it: `parties={"chatroom": ChatRoom}`. A browser that opens the
WebSocket `/parties/chatroom/lobby` then has a connection in the room "lobby",
which is one instance of the class. The first visitor makes the room; an idle
room may be dropped again, but not its log.

    self.room.id, self.room.connections()
    self.room.broadcast(message, without=[connection.id], key=None)
    self.room.log(Message)        # a list that outlives the room
    connection.id, connection.send(message), connection.close()
    connection.report(error)      # as the runtime does if a hook raises it

A message is text, bytes, or a dict or model that becomes JSON. Sending never
waits: a client that reads too slowly is closed, and delays nobody else. Of
the broadcasts with one `key`, the latest is sent, 30 times a second at most;
`final=True` does not wait for that.
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

    Each call of an `async def` hook is a task of its own. It may take minutes:
    the sender's next frame does not wait for it, nor does anybody else's, and
    it goes on when the connection closes. Calls start in the order in which
    frames arrive. A plain `def` works, too.

    An exception ends the call, not the connection. A MessageRejected, raised
    in a hook or in what it calls, is sent to the connection that caused it, as
    JSON text: `{"type": "error", "message": …}`, with the `id` of the message
    if it is known. DuplicateMessage, which a log's `append` raises for an entry
    that it has already, is sent as the `ack` of the first time. Any other
    exception is logged. When the process stops, hooks have a few seconds.
    """

    rooms: Collection[str] | None = None
    """The ids of the only rooms, others are a 404; None: any id is a room."""

    max_frame_bytes: int | None = None
    """A larger frame is rejected; None: MAX_FRAME_BYTES of the settings."""

    max_frames_per_second: float | None = None
    """Frames from one connection; of faster ones, the latest replaces others.

    Three times as many, for a long time, close the connection. None:
    MAX_MESSAGES_PER_SECOND of the settings; faster ones are rejected.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    def on_start(self) -> HookResult:
        """Prepare the room: runs once, and all other hooks wait for its end.

        If it raises, there is no room, and the visitor gets a 500.
        """

    def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> HookResult:
        """Welcome a connection, which is one of the room's already.

        `request` is its handshake, with URL, headers and cookies.
        """

    def on_message(self, message: Frame, sender: Connection) -> HookResult:
        """Handle a frame from a browser: text is `str`, binary is `bytes`.

        A chat's frame is, for example, `{"type": "message", "message":
        {"id": "a1", "user": "Ada", "role": "user", "body": "Hello!"}}`.
        """

    def on_close(self, connection: Connection) -> HookResult:
        """Handle the end of a connection, which is the room's no more.

        Another may have its id already: a page that reconnects keeps its id.
        """

    def on_request(self, request: Request) -> Response | Awaitable[Response]:
        """Answer HTTP: from a browser, or from a party that calls `fetch`.

        By default a 404, but `GET …?before=SEQ` pages through a log.
        """
        raise HTTPException(404)

    def __init_subclass__(cls) -> None:
        """Report mistakes that have no other effect, such as `on_mesage`."""
        super().__init_subclass__()
        name, rooms = cls.__name__, cls.rooms
        if isinstance(rooms, str):
            raise TypeError(f'{name}.rooms must be a list, as in ["{rooms}"]')
        known = {each for base in cls.__mro__[1:] for each in vars(base)}
        for own in vars(cls).keys() - known:
            for hook in get_close_matches(own, known, 1, 0.8):
                if hook.startswith("on_"):
                    logger.warning("%s.%s: the hook is %s", name, own, hook)
