"""The presenter's actions, as their page sends them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Strict(BaseModel):
    """An action, with nothing beside it."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Simple(Strict):
    """What concerns all rooms."""

    action: Literal["pause", "resume", "hide_cursors", "show_cursors"]


class Named(Strict):
    """What concerns a name."""

    action: Literal["mute", "unmute"]
    name: str = Field(min_length=1, max_length=40)


class Clear(Strict):
    """What concerns a room."""

    action: Literal["clear"]
    party: str
    room: str


actions = TypeAdapter[Simple | Named | Clear](
    Annotated[Simple | Named | Clear, Field(discriminator="action")]
)
