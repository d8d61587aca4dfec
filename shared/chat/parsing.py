"""Parse the frames that a chat room receives."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from ..party import Frame, MessageRejected
from ..party.frame_rate_limiter import find_id
from .messages import Message
from .names import NAME_NEEDED, is_blank, name_error

MAX_NAME_LENGTH = 40
"""Characters of a name; `shared/ui/user/user.js` has the same limit."""

MAX_BODY_LENGTH = 4_000
"""Characters of a message; `shared/ui/chat/message_form.js` has it too."""


@with_config(strict=True)
class MessageInput(TypedDict):
    """The fields of a message that a page sets."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    user: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
    body: Annotated[str, Field(min_length=1, max_length=MAX_BODY_LENGTH)]
    role: NotRequired[Literal["user"]]


class MessageFrame(TypedDict):
    """A frame with a message."""

    type: Literal["message"]
    message: MessageInput


MESSAGE_INPUT = TypeAdapter(MessageInput)

VALIDATOR = TypeAdapter(MessageFrame).validator
"""Parses and validates a frame in one call."""

FIELD_ERRORS = {
    "id": "A message needs an id: text of 1 to 64 characters.",
    "user": NAME_NEEDED,
    "body": "A message needs a body: text of 1 to 4,000 characters.",
    "role": "People speak as role “user”; only the AI speaks as another.",
}

LONE_SURROGATE = "A message may not have half a character (a lone surrogate)."

CursorName = Annotated[
    str | None, Field(default=None, max_length=MAX_NAME_LENGTH)
]
"""The name at a cursor."""


def parse_message(frame: Frame) -> Message:
    """Parse `{"type": "message", "message": {id, user, body, role}}`.

    Raise MessageRejected, in words for the sender, if the frame is not valid.
    """
    try:
        message: MessageInput = VALIDATOR.validate_json(frame)["message"]
    except ValidationError:
        raise parse_error(frame) from None
    error = name_error(message["user"])
    if is_blank(message["body"]):
        error = FIELD_ERRORS["body"]
    if error:
        raise MessageRejected(error, message["id"])
    return Message(**message)


def parse_error(frame: Frame) -> MessageRejected:
    """Return the error for a frame that the validator does not accept."""
    try:
        data: Any = from_json(frame)
    except ValueError as error:
        is_surrogate = "hex escape" in str(error)
        reason = LONE_SURROGATE if is_surrogate else "This is not JSON."
        return MessageRejected(reason, find_id(frame))
    if not isinstance(data, dict) or data.get("type") != "message":
        reason = "This room takes frames of type “message”."
        return MessageRejected(reason, find_id(frame))
    message = data.get("message")
    if not isinstance(message, dict):
        reason = "A frame of type “message” needs a message."
        return MessageRejected(reason, find_id(frame))
    id = message.get("id")
    id = id if isinstance(id, str) else None
    try:
        MESSAGE_INPUT.validate_python(message)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        return MessageRejected(FIELD_ERRORS[field], id)
    return MessageRejected("This message cannot be read.", id)


def user_error(name: str) -> str | None:
    """Return why `parse_message` refuses a name, or None if it does not."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        return FIELD_ERRORS["user"]
    return name_error(name)
