"""What is said in a chat room, and the frames that carry it."""

from typing import Any, Literal
from uuid import uuid4

from pydantic import Field

from ..party import Entry, Frame, Log
from ..party.encoding import SharedFrame, with_newest
from ..settings import settings
from .moderation import moderation

AI = "AI"
"""The name that the AI speaks under."""

MAX_HISTORY_BYTES = 512 * 1024
"""Bytes of JSON that a newcomer is told; the page asks for the rest."""

Status = Literal["thinking", "streaming", "interrupted", "failed"]


class Message(Entry):
    """What somebody said; `status` is None once it is finished."""

    user: str
    body: str
    role: Literal["user", "assistant"] = "user"
    status: Status | None = None

    note: str | None = None
    """Shown under a reply that was cut, and no part of a prompt."""

    @property
    def is_open(self) -> bool:
        """Whether there is more to come."""
        return self.status in ("thinking", "streaming")

    def recall(self) -> None:
        """See to it that nobody waits for what was cut off by a crash."""
        if self.is_open:
            self.interrupt()

    def interrupt(self) -> None:
        """Set that no more will come, although it is not finished."""
        if self.status == "thinking":
            self.body = "…"
        self.status = "interrupted"

    def news(self) -> object:
        """Tell a room about it that has missed it."""
        return update(self)


class AIMessage(Message):
    """What the AI says: it thinks, grows while it is written, and ends."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    user: str = AI
    body: str = "Thinking…"
    role: Literal["user", "assistant"] = "assistant"
    status: Status | None = "thinking"

    def set_text(self, text: str) -> None:
        """Set the text so far."""
        if text:
            # Models may cut an emoji in two; half of it fits in no frame.
            whole = text.encode("utf-16", "surrogatepass")
            self.body = whole.decode("utf-16", "replace")
            self.status = "streaming"

    def finish(self, note: str = "") -> None:
        """Set that there is no more to come, and how it was cut, if it was."""
        if self.status == "thinking":
            self.fail(f"The AI had nothing to say. {note}".strip())
        else:
            self.status = None
            self.note = note or None

    def fail(self, why: str) -> None:
        """Set that there is no more to come, and why."""
        said = "" if self.status == "thinking" else f"{self.body}\n\n"
        self.body = said + why
        self.status = "failed"


def history(messages: Log[Message]) -> Frame:
    """Return the frame with the newest messages, and the presenter's rules.

    It is encoded once for all newcomers, until a message or a rule changes.
    """
    told = messages[-settings().history_limit :]
    rules = moderation.restrictions()
    growing = [(m.id, m.status, m.body) for m in told if m.is_open]
    state = messages.revision, rules, growing
    if messages.snapshot and messages.snapshot[0] == state:
        return messages.snapshot[1]
    frame = {"type": "history", "epoch": messages.epoch}
    more = {"presenter": rules} if rules else {}
    json = with_newest({**frame, **more}, told, MAX_HISTORY_BYTES)
    messages.snapshot = state, SharedFrame(json)
    return messages.snapshot[1]


def presenter() -> dict[str, Any]:
    """The frame that tells everybody what the presenter decided."""
    return {"type": "presenter", **moderation.restrictions()}


def update(message: Message) -> dict[str, Any]:
    """The frame that tells everybody about a message, new or changed."""
    return {"type": "update", "message": message}


def ack(message: Message) -> dict[str, Any]:
    """The frame that tells the sender that a message is kept."""
    return {"type": "ack", "id": message.id, "seq": message.seq}
