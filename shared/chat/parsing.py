"""What a page may say, and what the server makes of it."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json

from ..party import Frame, Log, MessageRejected
from ..party.encoding import with_newest
from ..party.errors import Asked
from ..party.frame_rate_limiter import find_id
from .messages import Message, history
from .moderation import MUTED, moderation
from .names import is_blank, name_error

PAGE_SIZE = 100
"""How many earlier messages are told at once."""

MAX_PAGE_BYTES = 256 * 1024
"""Bytes of JSON of earlier messages that are told at once."""


MAX_NAME_LENGTH = 40
"""Characters of a name, as `ui/user/user.js` says as well."""

MAX_BODY_LENGTH = 4_000
"""Characters of a message, as `ui/chat/message_form.js` says as well."""


class MessageInput(BaseModel):
    """What a page may say: the server decides the rest."""

    model_config = ConfigDict(strict=True)

    id: str = Field(min_length=1, max_length=64)
    user: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    body: str = Field(min_length=1, max_length=MAX_BODY_LENGTH)
    role: Literal["user"] = "user"


class MessageFrame(BaseModel):
    """A frame with a message from a page."""

    type: Literal["message"]
    message: MessageInput


FRAME = TypeAdapter(MessageFrame).validator
"""Reads a frame in one go."""

FIELD_ERRORS = {
    "id": "A message needs an id: text of 1 to 64 characters.",
    "user": "A message needs a name: text of 1 to 40 characters.",
    "body": "A message needs a body: text of 1 to 4,000 characters.",
    "role": "People speak as role “user”; only the AI speaks as another.",
}

HALF_A_CHARACTER = "A message may not have half a character (a lone surrogate)."

Label = Annotated[
    str | None,
    Field(default=None, max_length=MAX_NAME_LENGTH),
    AfterValidator(moderation.check_label),
]
"""The name at a cursor: names that nobody may speak under are refused."""


def parse_message(
    frame: Frame, messages: Log[Message] | None = None
) -> Message:
    """Read `{"type": "message", "message": {…}}` from a page.

    Raises MessageRejected with the rule that was broken, in words for a
    person; and, if `messages` are given, Asked by a page that wants earlier
    ones.
    """
    try:
        message = FRAME.validate_json(frame).message
    except ValidationError:
        raise problem_of(frame, messages) from None
    problem = check_name_error(message.user)
    if is_blank(message.body):
        problem = FIELD_ERRORS["body"]
    if problem:
        raise MessageRejected(problem, message.id)
    return Message(id=message.id, user=message.user, body=message.body)


def problem_of(frame: Frame, messages: Log[Message] | None) -> MessageRejected:
    """Return why a frame carries no message: it may ask for earlier ones."""
    try:
        data: Any = from_json(frame)
    except ValueError as error:
        half = "hex escape" in str(error)
        why = HALF_A_CHARACTER if half else "This is not JSON."
        return MessageRejected(why, find_id(frame))
    if messages is not None and isinstance(data, dict):
        before = data.get("before")
        if data.get("type") == "older" and type(before) is int:
            return Asked(older(messages, min(max(before, 0), 2**62)))
    if not isinstance(data, dict) or data.get("type") != "message":
        why = "This room takes frames of type “message”."
        return MessageRejected(why, find_id(frame))
    message = data.get("message")
    if not isinstance(message, dict):
        why = "A frame of type “message” needs a message."
        return MessageRejected(why, find_id(frame))
    id = message.get("id")
    id = id if isinstance(id, str) else None
    try:
        MessageInput.model_validate(message)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        return MessageRejected(FIELD_ERRORS[field], id)
    return MessageRejected("This message cannot be read.", id)


def check_name_error(name: str) -> str | None:
    """Return why a room refuses a name, in words for a person, if it does."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        return FIELD_ERRORS["user"]
    return MUTED if moderation.is_muted(name) else name_error(name)


async def older(messages: Log[Message], before: int) -> Frame:
    """The frame that tells what was said before a sequence number.

    Who asks about what the room has forgotten is told its history instead: an
    empty answer would say that there is no more than they know.
    """
    found = await messages.before(before, PAGE_SIZE)
    if before < messages.start:
        return history(messages)
    return with_newest({"type": "older"}, found, MAX_PAGE_BYTES).decode()
