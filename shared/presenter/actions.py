"""The actions that the presenter's page sends."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class StrictAction(BaseModel):
    """An action, without any other fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class GlobalAction(StrictAction):
    """An action on all rooms."""

    action: Literal["pause", "resume", "hide_cursors", "show_cursors"]


class NameAction(StrictAction):
    """An action on a name."""

    action: Literal["mute", "unmute"]
    name: str = Field(min_length=1, max_length=40)


class ClearAction(StrictAction):
    """An action on a room."""

    action: Literal["clear"]
    party: str
    room: str


action_adapter = TypeAdapter[GlobalAction | NameAction | ClearAction](
    Annotated[
        GlobalAction | NameAction | ClearAction, Field(discriminator="action")
    ]
)
