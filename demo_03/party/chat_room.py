"""A chat room: it remembers what was said, and tells everybody."""

from starlette.requests import HTTPConnection

from shared.ai import finishing, make_prompt, one_reply_at_a_time
from shared.chat.messages import AIMessage, Message, ack, history, update
from shared.chat.parsing import parse_message
from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server

from .ai import stream_reply
from .should_reply import should_reply


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
        await self.reply_with_ai(message)

    @one_reply_at_a_time
    async def reply_with_ai(self, question: Message) -> None:
        """Let everybody see the AI's reply grow."""
        prompt = make_prompt(self.messages, question)
        if not await should_reply(prompt):
            return
        reply = AIMessage()  # it says "Thinking…"
        await self.messages.append(reply)
        self.room.broadcast(update(reply), key=reply.id)
        with finishing(reply):  # however it ends, the reply says so
            async for text, _ in stream_reply(prompt):
                reply.set_text(text)
                self.room.broadcast(update(reply), key=reply.id)
        await self.messages.update(reply)
        self.room.broadcast(update(reply), key=reply.id)
