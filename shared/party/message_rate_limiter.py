"""Limit the rate of messages of a browser or an address, and of a room."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from weakref import WeakKeyDictionary

from starlette.requests import HTTPConnection

from .limits import Limits, TokenBucket

BURST_SECONDS = 5
"""Seconds' worth of messages that a sender may send at once."""

INITIAL_TOKENS = 10
"""Messages that a new sender may send at once."""

GUARANTEED_SHARE = 0.1
"""The part of the rate that each connection without a cookie has for itself.

Otherwise one of them could use up the rate of all others at its address.
"""

HALF_LIFE = 5.0
"""Seconds after which a message counts half as a recent one."""

DECAY_INTERVAL = 0.05
"""Seconds until the recent messages are computed again."""

LIGHT_SENDER = 10.0
"""Recent messages with which a sender is halfway between light and heavy."""

INITIAL_RECENT = 5.0
"""Recent messages that a new sender starts with."""

MAX_INITIAL_RECENT = 25.0
"""The same, if many new browsers come from one address.

They may be one flooder that takes a new cookie for each few messages.
"""

MAX_SENDERS = 10_000
"""Senders in memory; the least recently seen are dropped."""

BUSY_ROOM = "Many people are talking here: your message has to wait."

IPV6_PREFIX = 64
"""Bits of an IPv6 address that name the network; a client has the others."""


@dataclass(frozen=True)
class Identity:
    """The browser of a connection, as its cookie names it.

    `is_proven` says whether the cookie is one that this server has issued.
    """

    browser: str = ""
    is_proven: bool = False


Identify = Callable[[HTTPConnection], Identity]


class Sender(TokenBucket):
    """A token bucket of one browser, or of an address without cookies."""

    def __init__(self, per_second: float) -> None:
        tokens = max(per_second, INITIAL_TOKENS)
        super().__init__(per_second, per_second * BURST_SECONDS, tokens)
        # A flooder can make new browsers at no cost: senders of few messages
        # that are here already go first.
        self.recent = INITIAL_RECENT
        """Recent messages; each counts half after HALF_LIFE."""
        self.decayed_at = self.updated_at

    def decay(self, now: float) -> None:
        """Update the number of recent messages."""
        self.recent *= 0.5 ** ((now - self.decayed_at) / HALF_LIFE)
        self.decayed_at = now

    def add_browser(self) -> float:
        """Count a new browser at this address.

        Return the recent messages that it starts with.
        """
        self.decay(time.monotonic())
        self.recent += 1
        return min(max(INITIAL_RECENT, self.recent), MAX_INITIAL_RECENT)


class MessageRateLimiter:
    """Limit one connection's messages by its sender's rate and its room's.

    When a room's bucket is less than half full, the heaviest senders are
    refused first: a sender of n recent messages leaves n / (n + 10) of that
    half to lighter ones, so that nobody can silence a room.
    """

    def __init__(
        self, sender: Sender, room: TokenBucket, is_shared: bool
    ) -> None:
        self.sender = sender
        self.room = room
        rate = sender.rate * GUARANTEED_SHARE if is_shared else 0
        self._guaranteed = TokenBucket(rate, rate * BURST_SECONDS, 0)

    def consume(self) -> tuple[str, float] | None:
        """Count a message; return None, or a refusal.

        A refusal is a text for the sender, and the seconds to wait.
        """
        sender, room = self.sender, self.room
        bucket = sender if sender.try_consume() else self._guaranteed
        if bucket is not sender and not bucket.try_consume():
            wait = (1 - sender.tokens) / sender.rate
            reason = f"At most {sender.rate:,} messages a second, please."
            return reason, round(wait + 0.1, 1)
        now = sender.updated_at
        if now - sender.decayed_at > DECAY_INTERVAL:
            sender.decay(now)
        reserve, half = 0.0, room.capacity / 2
        if room.tokens < half + 1:
            reserve = half * sender.recent / (sender.recent + LIGHT_SENDER)
        if room.try_consume(reserve, now):
            sender.recent += 1
            return None
        bucket.tokens += 1
        # Random, so that not all clients retry at the same time.
        return BUSY_ROOM, round(random.uniform(0.5, 2.0), 1)


class SenderRegistry:
    """The senders of a process, by browser or address."""

    def __init__(self, limits: Limits) -> None:
        self._per_second = limits.max_messages_per_second
        # A room's rate is at least that of one sender.
        self._room_per_second = max(
            limits.max_room_messages_per_second, self._per_second
        )
        self._senders: OrderedDict[str, Sender] = OrderedDict()
        self._rooms: WeakKeyDictionary[Hashable, TokenBucket] = (
            WeakKeyDictionary()
        )

    def get_limiter(
        self, connection: HTTPConnection, identity: Identity, room: Hashable
    ) -> MessageRateLimiter:
        """Return the rate limiter of a connection in a room."""
        rate = self._room_per_second
        bucket = self._rooms.setdefault(room, TokenBucket(rate, rate))
        network = client_network(connection)
        name = f"browser {identity.browser}" if identity.is_proven else network
        is_new = name not in self._senders
        sender = self._find(name)
        if identity.is_proven and is_new:
            sender.recent = self._find(network).add_browser()
        return MessageRateLimiter(
            sender, bucket, is_shared=not identity.is_proven
        )

    def _find(self, name: str) -> Sender:
        sender = self._senders.pop(name, None) or Sender(self._per_second)
        self._senders[name] = sender
        if len(self._senders) > MAX_SENDERS:
            self._senders.popitem(last=False)
        return sender


def client_network(connection: HTTPConnection) -> str:
    """Return a client's IPv4 address, or the network of its IPv6 address."""
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
