"""Limits on clients, and the token bucket that rate limits are made of."""

import time
from dataclasses import dataclass

from .backlog import MAX_QUEUED_BYTES

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of a request's header section, of pages and handshakes alike."""

MAX_HEADERS = 100
"""Headers of a request."""

MAX_TARGET_BYTES = 8 * 1024
"""Bytes of a request's target, with its query."""


@dataclass(frozen=True)
class Limits:
    """The limits of an app; `.env.example` documents each."""

    max_frame_bytes: int = 65_536
    max_messages_per_second: int = 10
    max_room_messages_per_second: int = 200
    max_connections_per_room: int = 2_000
    max_rooms: int = 1_000
    max_new_rooms_per_minute: int = 600
    max_queued_bytes: int = MAX_QUEUED_BYTES


class TokenBucket:
    """A token bucket: it refills steadily, and each event consumes a token."""

    def __init__(
        self, rate: float, capacity: float, tokens: float | None = None
    ) -> None:
        self.rate = rate
        """Tokens added each second."""
        self.capacity = max(capacity, 1.0)
        self.tokens = (
            self.capacity if tokens is None else min(tokens, self.capacity)
        )
        """The tokens at the time `updated_at`."""
        self.updated_at = time.monotonic()

    def try_consume(self, reserve: float = 0.0, now: float = 0.0) -> bool:
        """Consume a token, if one is left; return whether it was.

        At least `reserve` tokens stay in the bucket, for others.
        """
        now = now or time.monotonic()
        tokens = self.tokens + (now - self.updated_at) * self.rate
        if tokens > self.capacity:
            tokens = self.capacity
        self.updated_at = now
        if tokens < 1 + reserve:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1
        return True
