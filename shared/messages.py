"""What is said in a chat room, and the frames that carry it."""

import unicodedata
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from .party import Entry, Frame, Log, Refused

AI = "AI"
"""The name that the AI speaks under."""

RESERVED = {"ai", "assistant", "system"}
"""Names that nobody else may speak under."""

INVISIBLE = {"Cc", "Cf", "Me", "Mn", "Zl", "Zp", "Zs"}
BLANKS = "\u115f\u1160\u2800"
LOOKALIKES = str.maketrans("\u0430\u0456\u03b1\u03b9", "aiai")
"""Cyrillic and Greek letters that look like those of “AI”."""

LONGEST_HISTORY = 1_000
"""How many messages a newcomer is told."""

Status = Literal["thinking", "streaming", "interrupted", "failed"]


class Message(Entry):
    """What somebody said; `status` is None once it is finished."""

    user: str
    body: str
    role: Literal["user", "assistant"] = "user"
    status: Status | None = None


class Reply(Message):
    """What the AI says: it thinks, grows while it is written, and ends."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    user: str = AI
    body: str = "Thinking…"
    role: Literal["user", "assistant"] = "assistant"
    status: Status | None = "thinking"

    def write(self, text: str) -> None:
        """Set the text so far."""
        if text:
            # Models may cut an emoji in two; half of it fits in no frame.
            whole = text.encode("utf-16", "surrogatepass")
            self.body = whole.decode("utf-16", "replace")
            self.status = "streaming"

    def finish(self) -> None:
        """Set that there is no more to come."""
        if self.status == "thinking":
            self.fail("The AI had nothing to say.")
        else:
            self.status = None

    def fail(self, why: str) -> None:
        """Set that there is no more to come, and why."""
        said = "" if self.status == "thinking" else f"{self.body}\n\n"
        self.body = said + why
        self.status = "failed"


class Saying(BaseModel):
    """What a page may say: the server decides the rest."""

    model_config = ConfigDict(strict=True)

    id: str = Field(min_length=1, max_length=64)
    user: str = Field(min_length=1, max_length=40)
    body: str = Field(min_length=1, max_length=4_000)
    role: Literal["user"] = "user"


RULES = {
    "id": "A message needs an id: text of 1 to 64 characters.",
    "user": "A message needs a name: text of 1 to 40 characters.",
    "body": "A message needs a body: text of 1 to 4,000 characters.",
    "role": "People speak as role “user”; only the AI speaks as another.",
}


def said(frame: Frame) -> Message:
    """Read `{"type": "message", "message": {…}}` from a page.

    Raises Refused with the rule that was broken, in words for a person.
    """
    try:
        data: Any = from_json(frame)
    except ValueError:
        raise Refused("This is not JSON.") from None
    if not isinstance(data, dict) or data.get("type") != "message":
        raise Refused("This room takes frames of type “message”.")
    message = data.get("message")
    if not isinstance(message, dict):
        raise Refused("A frame of type “message” needs a message.")
    id = message.get("id")
    id = id if isinstance(id, str) else None
    try:
        saying = Saying.model_validate(message)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise Refused(RULES[field], id) from None
    _check_name(saying)
    if not saying.body.strip():
        raise Refused(RULES["body"], id)
    return Message(**saying.model_dump())


def _check_name(saying: Saying) -> None:
    name = unicodedata.normalize("NFKC", saying.user).casefold()
    visible = [
        letter
        for letter in name
        if unicodedata.category(letter) not in INVISIBLE
        and letter not in BLANKS
    ]
    if not visible:
        raise Refused(RULES["user"], saying.id)
    letters = "".join(filter(str.isalnum, visible))
    if letters.translate(LOOKALIKES) in RESERVED:
        raise Refused("This name is taken: choose another one.", saying.id)


def history(messages: Log[Message]) -> dict[str, Any]:
    """The frame that tells a newcomer what was said."""
    return {
        "type": "history",
        "messages": messages[-LONGEST_HISTORY:],
        "epoch": messages.epoch,
    }


def update(message: Message) -> dict[str, Any]:
    """The frame that tells everybody about a message, new or changed."""
    return {"type": "update", "message": message}


def ack(message: Message) -> dict[str, Any]:
    """The frame that tells the sender that a message is kept."""
    return {"type": "ack", "id": message.id, "place": message.place}
