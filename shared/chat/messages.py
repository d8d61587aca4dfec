"""The messages of a chat room."""

from typing import Literal
from uuid import uuid4

from pydantic import Field

from ..party import Entry, Log
from ..party.encoding import EncodedJSON, encode_newest
from ..settings import settings

AI = "AI"
"""The name that the AI speaks under."""

MAX_HISTORY_BYTES = 512 * 1024
"""Bytes of JSON in a history; the page requests older messages itself."""

Status = Literal["thinking", "streaming", "interrupted", "failed"]


class Message(Entry):
    """A message of a person or the AI; `status` is None once it is complete."""

    user: str
    body: str
    role: Literal["user", "assistant"] = "user"
    status: Status | None = None

    note: str | None = None
    """Shown under a reply that was cut; not part of a prompt."""

    @property
    def is_open(self) -> bool:
        """Whether the message is a reply in progress."""
        return self.status in ("thinking", "streaming")

    def on_load(self) -> None:
        """Mark a reply as interrupted that a crashed process left open."""
        if self.is_open:
            self.interrupt()

    def interrupt(self) -> None:
        """Mark the reply as interrupted: it stays as it is."""
        if self.status == "thinking":
            self.body = "…"
        self.status = "interrupted"

    def to_frame(self) -> object:
        """Return the frame for a room that has missed this message."""
        return {"type": "update", "message": self}


class AIMessage(Message):
    """A reply of the AI: thinking, then streaming, then complete or failed."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    user: str = AI
    body: str = "Thinking…"
    role: Literal["user", "assistant"] = "assistant"
    status: Status | None = "thinking"

    def set_text(self, text: str) -> None:
        """Set the text so far."""
        if text:
            # A model may split an emoji; half of it cannot be encoded.
            whole = text.encode("utf-16", "surrogatepass")
            self.body = whole.decode("utf-16", "replace")
            self.status = "streaming"

    def finish(self, note: str = "") -> None:
        """Mark the reply as complete; `note` says why it was cut, if it was."""
        if self.status == "thinking":
            self.fail(f"The AI had nothing to say. {note}".strip())
        else:
            self.status = None
            self.note = note or None

    def fail(self, reason: str) -> None:
        """Mark the reply as failed, and append the reason to its text."""
        text = "" if self.status == "thinking" else f"{self.body}\n\n"
        self.body = text + reason
        self.status = "failed"


def recent_messages(messages: Log[Message]) -> EncodedJSON:
    """Return the newest messages as JSON, at most `MAX_HISTORY_BYTES`.

    They are encoded once for all newcomers, until a message changes.
    """
    recent = messages[-settings().history_limit :]
    growing = [(m.id, m.status, m.body) for m in recent if m.is_open]
    state = messages.revision, growing
    if not messages.snapshot or messages.snapshot[0] != state:
        json = EncodedJSON(encode_newest(recent, MAX_HISTORY_BYTES))
        messages.snapshot = state, json
    return messages.snapshot[1]
