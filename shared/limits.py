"""How much is taken from outside, and from the AI: these are settings."""

from dataclasses import fields

from pydantic import Field
from pydantic_settings import BaseSettings

from .party.backlog import MAX_QUEUED_BYTES
from .party.limits import Bounds


class LimitSettings(BaseSettings):
    """What `.env.example` documents as limits."""

    largest_frame: int = Field(default=65_536, ge=1_024, le=2**30)
    largest_body: int = Field(default=65_536, ge=1_024, le=2**30)
    messages_a_second: int = Field(default=10, ge=1, le=10**9)
    max_room_messages_per_second: int = Field(default=200, ge=1, le=10**9)
    connections_a_room: int = Field(default=2_000, ge=1, le=10**9)
    live_rooms: int = Field(default=1_000, ge=1, le=10**9)
    rooms_a_minute: int = Field(default=600, ge=1, le=10**9)
    max_queued_bytes: int = Field(default=MAX_QUEUED_BYTES, ge=2**20, le=2**40)
    ping: float = Field(default=20.0, ge=1, le=3_600)
    history: int = Field(default=1_000, ge=1, le=100_000)
    replies_waiting: int = Field(default=5, ge=1, le=10**9)
    token_budget: int | None = Field(default=None, ge=1, le=10**15)

    @property
    def bounds(self) -> Bounds:
        """Those that hold for rooms and for connections."""
        names = {each.name for each in fields(Bounds)}
        return Bounds(**self.model_dump(include=names))
