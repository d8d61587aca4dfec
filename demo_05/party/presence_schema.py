"""The types of presence, and their encoding as msgpack."""

from typing import Annotated, Any, Literal

import msgpack
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from shared.chat.parsing import CursorName
from shared.party import Frame, MessageRejected


class Cursor(TypedDict):
    """The position of a pointer, in fractions of the window."""

    x: Annotated[float, Field(strict=True, ge=0, le=1)]
    y: Annotated[float, Field(strict=True, ge=0, le=1)]
    pointer: Literal["mouse", "touch"]


class Presence(TypedDict):
    """The state of a user that changes all the time."""

    cursor: Annotated[Cursor | None, Field(default=None)]
    message: Annotated[str | None, Field(default=None, max_length=100)]


class Info(TypedDict):
    """The data of a user that rarely changes."""

    name: CursorName


class User(TypedDict):
    """A user: one connection that has joined."""

    country: str | None
    presence: Presence
    info: Info


class Join(TypedDict):
    """Sent when the socket opens, and when the name changes."""

    type: Literal["join"]
    presence: Presence
    info: Info


class Update(TypedDict):
    """Sent when the cursor moves."""

    type: Literal["update"]
    presence: Presence


ClientMessage = TypeAdapter[Join | Update](
    Annotated[Join | Update, Field(discriminator="type")]
)


def decode(frame: Frame) -> Join | Update:
    """Decode and validate a frame of msgpack, or the same as JSON."""
    try:
        if isinstance(frame, str):
            return ClientMessage.validate_json(frame)
        return ClientMessage.validate_python(msgpack.unpackb(frame))
    except ValueError:
        raise MessageRejected("Presence takes “join” and “update”.") from None


def encode(message: dict[str, Any]) -> bytes:
    """Encode a message as msgpack."""
    return bytes(msgpack.packb(message))
