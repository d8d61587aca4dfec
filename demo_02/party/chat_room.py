"""A chat room: it stores messages, and sends them to everybody."""

from starlette.requests import HTTPConnection

from shared.chat.messages import Message, recent_messages
from shared.chat.parsing import parse_message
from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server


class ChatRoom(Server):
    """The party server behind each chat room."""

    rooms = ROOM_IDS

    async def on_start(self) -> None:
        """Open the log of messages, which outlives connections."""
        self.messages = self.room.log(Message)

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Send the history to a newcomer."""
        connection.send(
            {
                "type": "history",
                "epoch": self.messages.epoch,
                "presenter": self.room.context.moderation.restrictions(),
                "messages": recent_messages(self.messages),
            }
        )

    async def on_message(self, frame: Frame, sender: Connection) -> None:
        """Store a message, acknowledge it, and send it to everybody else."""
        message = parse_message(frame)  # or raise MessageRejected
        self.room.context.moderation.check(message)
        # Raises DuplicateMessage, sent as an ack, if it is stored already.
        await self.messages.append(message)
        sender.send({"type": "ack", "id": message.id, "seq": message.seq})
        self.room.broadcast(
            {"type": "update", "message": message}, without=[sender.id]
        )
