"""A chat room: it stores messages, and sends them to everybody."""

import asyncio

from starlette.requests import HTTPConnection

from shared.ai import (
    ReplyCut,
    failure_message,
    make_prompt,
    one_reply_at_a_time,
)
from shared.chat.messages import AIMessage, Message, recent_messages
from shared.chat.parsing import parse_message
from shared.chat.rooms import ROOM_IDS
from shared.party import Connection, Frame, Server

from .ai import stream_reply
from .should_reply import should_reply


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
        await self.reply_with_ai(message)

    @one_reply_at_a_time
    async def reply_with_ai(self, question: Message) -> None:
        """Stream the AI's reply to everybody."""
        prompt = make_prompt(self.messages, question)
        if not await should_reply(prompt):
            return
        reply = AIMessage()  # body "Thinking…", status "thinking"
        frame = {"type": "update", "message": reply}
        await self.messages.append(reply)
        self.room.broadcast(frame, key=reply.id)
        tokens = 0
        try:
            async for text, tokens in stream_reply(prompt):
                reply.set_text(text)  # newcomers get it in the history
                self.room.broadcast(frame, key=reply.id)
            reply.finish()
        except ReplyCut as cut:
            reply.finish(note=str(cut))
        except asyncio.CancelledError:  # paused, cleared or shut down
            reply.interrupt()
        except Exception as error:
            reply.fail(failure_message(error))  # added to the text so far
        await self.messages.update(reply)
        self.room.broadcast(frame, key=reply.id, final=True)
        usage = self.room.parties["usage"].get("total")
        await usage.fetch(method="POST", json={"usage": tokens})
