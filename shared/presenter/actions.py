"""The presenter's actions, as their page sends them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class StrictAction(BaseModel):
    """An action, with nothing beside it."""

    model_config = ConfigDict(strict=True, extra="forbid")


class GlobalAction(StrictAction):
    """What concerns all rooms."""

    action: Literal["pause", "resume", "hide_cursors", "show_cursors"]


class NameAction(StrictAction):
    """What concerns a name."""

    action: Literal["mute", "unmute"]
    name: str = Field(min_length=1, max_length=40)


class ClearAction(StrictAction):
    """What concerns a room."""

    action: Literal["clear"]
    party: str
    room: str


action_adapter = TypeAdapter[GlobalAction | NameAction | ClearAction](
    Annotated[
        GlobalAction | NameAction | ClearAction, Field(discriminator="action")
    ]
)
