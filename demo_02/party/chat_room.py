"""A chat room: it remembers what was said, and tells everybody."""

from starlette.requests import HTTPConnection

from shared.chat.messages import Message, ack, history, update
from shared.chat.parsing import parse_message
from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server


class ChatRoom(Server):
    """The party behind each chat room of the list."""

    rooms = ROOM_IDS

    async def on_start(self) -> None:
        """Remember what was said, in memory."""
        self.messages = self.room.log(Message)

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Tell a newcomer what was said."""
        connection.send(history(self.messages))

    async def on_message(self, frame: Frame, sender: Connection) -> None:
        """Keep what somebody says, and tell everybody else."""
        message = parse_message(frame, self.messages)
        await self.messages.append(message)
        sender.send(ack(message))
        self.room.broadcast(update(message), without=[sender.id])
