"""What presence is made of, and how it travels: as msgpack."""

from typing import Annotated, Any, Literal

import msgpack
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from shared.chat.parsing import Label
from shared.party import Frame, MessageRejected


class Cursor(TypedDict):
    """Where somebody points, in fractions of the window."""

    x: Annotated[float, Field(strict=True, ge=0, le=1)]
    y: Annotated[float, Field(strict=True, ge=0, le=1)]
    pointer: Literal["mouse", "touch"]


class Presence(TypedDict):
    """What somebody does right now: it changes all the time."""

    cursor: Annotated[Cursor | None, Field(default=None)]
    message: Annotated[str | None, Field(default=None, max_length=100)]


class Info(TypedDict):
    """What rarely changes."""

    name: Label


class User(TypedDict):
    """All that is known of a connection."""

    country: str | None
    presence: Presence
    info: Info


class Join(TypedDict):
    """Somebody is here."""

    type: Literal["join"]
    presence: Presence
    info: Info


class Update(TypedDict):
    """Somebody does something else now."""

    type: Literal["update"]
    presence: Presence


News = TypeAdapter[Join | Update](
    Annotated[Join | Update, Field(discriminator="type")]
)


def unpack(frame: Frame) -> Join | Update:
    """Read a frame: msgpack, or the same as JSON."""
    try:
        if isinstance(frame, str):
            return News.validate_json(frame)
        return News.validate_python(msgpack.unpackb(frame))
    except ValueError:
        raise MessageRejected("Presence takes “join” and “update”.") from None


def pack(message: dict[str, Any]) -> bytes:
    """Write a frame."""
    return bytes(msgpack.packb(message))
