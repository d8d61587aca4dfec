"""The messages of a chat room."""

from contextvars import ContextVar
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from ..party import Entry, Log
from ..party.encoding import EncodedJSON, encode_newest
from ..settings import settings

AI = "AI"
"""The name that the AI speaks under."""

HIDDEN = "The presenter has hidden this reply."
"""The text of a reply that the presenter has hidden."""

MAX_HISTORY_BYTES = 512 * 1024
"""Bytes of JSON in a history; the page requests older messages itself."""

MAX_QUOTE_LENGTH = 80
"""Characters of a question that its reply repeats."""

Status = Literal["thinking", "streaming", "interrupted", "failed"]


class InReplyTo(BaseModel):
    """The question that a reply answers: its author, and how it begins."""

    id: str
    user: str
    body: str

    merged: int | None = None
    """Other questions that the same reply answers; None: there are none."""


class Message(Entry):
    """A message of a person or the AI; `status` is None once it is complete."""

    user: str
    body: str
    role: Literal["user", "assistant"] = "user"
    status: Status | None = None

    note: str | None = None
    """Shown under a reply that was cut; not part of a prompt."""

    in_reply_to: InReplyTo | None = None
    """Shown above a reply; not part of a prompt."""

    hidden: Literal[True] | None = None
    """Whether the presenter has hidden this reply."""

    @property
    def is_open(self) -> bool:
        """Whether the message is a reply in progress."""
        return self.status in ("thinking", "streaming")

    def hide(self) -> None:
        """Replace the text of a reply, which then ends."""
        self.body, self.status, self.note = HIDDEN, None, None
        self.hidden = True

    def on_load(self) -> None:
        """Mark a reply as interrupted that a crashed process left open."""
        if self.is_open:
            self.interrupt()

    def interrupt(self) -> None:
        """Mark the reply as interrupted: it stays as it is."""
        if self.hidden:
            return
        if self.status == "thinking":
            self.body = "…"
        self.status = "interrupted"

    def to_frame(self) -> object:
        """Return the frame for a room that has missed this message."""
        return {"type": "update", "message": self}


current_question: ContextVar[InReplyTo | None] = ContextVar(
    "current_question", default=None
)
"""The question that this task answers, as its replies refer to it."""


def refer_to(question: Message, merged: int) -> InReplyTo:
    """Return a reference to a question, for the replies to it."""
    body = " ".join(question.body.split())  # in one line
    if len(body) > MAX_QUOTE_LENGTH:
        body = body[: MAX_QUOTE_LENGTH - 1].rstrip() + "…"
    return InReplyTo(
        id=question.id, user=question.user, body=body, merged=merged or None
    )


class AIMessage(Message):
    """A reply of the AI: thinking, then streaming, then complete or failed."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    user: str = AI
    body: str = "Thinking…"
    role: Literal["user", "assistant"] = "assistant"
    status: Status | None = "thinking"
    in_reply_to: InReplyTo | None = Field(
        default_factory=lambda: current_question.get()
    )

    def set_text(self, text: str) -> None:
        """Set the text so far."""
        if text and not self.hidden:
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
