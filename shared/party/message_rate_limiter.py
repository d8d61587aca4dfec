"""Rate limits of messages, which outlive the connections that send them."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from weakref import WeakKeyDictionary

from starlette.requests import HTTPConnection

from .limits import Bounds, Rate

BURST_SECONDS = 5
"""Seconds' worth of messages that a sender may save up."""

INITIAL_TOKENS = 10
"""Messages that a sender who was never seen before may send at once."""

GUARANTEED_SHARE = 0.1
"""The part of the rate that each connection without a cookie has for itself.

Else one of them could keep all others of its address from saying anything.
"""

HALF_LIFE = 5.0
"""Seconds after which a message counts half in how heavy a sender is."""

DECAY_INTERVAL = 0.05
"""Seconds that may pass before that is computed again."""

LIGHT_SENDER = 10.0
"""Recent messages with which a sender is halfway between light and heavy."""

INITIAL_RECENT = 5.0
"""Recent messages that a sender counts who was never seen before."""

MAX_INITIAL_RECENT = 25.0
"""The same, where many new browsers come from one address.

They may be one flooder, who takes a new cookie for each few messages.
"""

MAX_SENDERS = 10_000
"""Senders that are remembered; those not seen for longest are forgotten."""

BUSY_ROOM = "Many people are talking here: your message has to wait."

IPV6_PREFIX = 64
"""Bits of an IPv6 address that one network has; it may choose the others."""


@dataclass(frozen=True)
class Identity:
    """The browser of a connection, as its cookie names it.

    `is_proven`: the server itself has given it that name.
    """

    browser: str = ""
    is_proven: bool = False


Identify = Callable[[HTTPConnection], Identity]


class Sender(Rate):
    """A token bucket of one browser, or of an address without cookies."""

    def __init__(self, per_second: float) -> None:
        initial = max(per_second, INITIAL_TOKENS)
        super().__init__(per_second, per_second * BURST_SECONDS, initial)
        # A new browser is made at once, and may be the next one of a flooder:
        # those who are here and say little go first.
        self.recent = INITIAL_RECENT
        """Messages that were taken lately, newer ones weighted."""
        self.decayed = self.last

    def decay(self, now: float) -> None:
        """Let messages count less, the older they are."""
        self.recent *= 0.5 ** ((now - self.decayed) / HALF_LIFE)
        self.decayed = now

    def add_browser(self) -> float:
        """Count a browser that arrives from this address.

        Returns with how many recent messages it begins.
        """
        self.decay(time.monotonic())
        self.recent += 1
        return min(max(INITIAL_RECENT, self.recent), MAX_INITIAL_RECENT)


class MessageLimit:
    """The limit of one connection: its sender's, and its room's.

    When a room's bucket is less than half full, its heaviest senders are
    refused first: a sender of n recent messages leaves n / (n + 10) of that
    half to lighter ones, so that nobody can silence a room.
    """

    def __init__(self, sender: Sender, room: Rate, is_shared: bool) -> None:
        self.sender = sender
        self.room = room
        own = sender.a_second * GUARANTEED_SHARE if is_shared else 0
        self._own = Rate(own, own * BURST_SECONDS, 0)

    def refusal(self) -> tuple[str, float] | None:
        """Take one message, or return why not, and seconds to wait."""
        sender, room = self.sender, self.room
        bucket = sender if sender.allows() else self._own
        if bucket is not sender and not bucket.allows():
            wait = (1 - sender.left) / sender.a_second
            why = f"At most {sender.a_second:,} messages a second, please."
            return why, round(wait + 0.1, 1)
        now = sender.last
        if now - sender.decayed > DECAY_INTERVAL:
            sender.decay(now)
        reserve = 0.0
        if room.left < room.half + 1:
            reserve = room.half * sender.recent / (sender.recent + LIGHT_SENDER)
        if room.allows(reserve, now):
            sender.recent += 1
            return None
        bucket.left += 1
        # Random, so that not all come back at the same time.
        return BUSY_ROOM, round(random.uniform(0.5, 2.0), 1)


class Senders:
    """The senders of a process, by browser or address."""

    def __init__(self, bounds: Bounds) -> None:
        self.per_second = bounds.max_messages_per_second
        # One sender alone may use all that a sender may.
        self.room_per_second = max(
            bounds.max_room_messages_per_second, self.per_second
        )
        self._senders: OrderedDict[str, Sender] = OrderedDict()
        self._rooms: WeakKeyDictionary[Hashable, Rate] = WeakKeyDictionary()

    def limit(
        self, connection: HTTPConnection, identity: Identity, room: Hashable
    ) -> MessageLimit:
        """Return the limit of a connection in a room."""
        most = self.room_per_second
        rate = self._rooms.setdefault(room, Rate(most, most))
        proven = identity.is_proven
        name = f"browser {identity.browser}" if proven else network(connection)
        is_new = name not in self._senders
        sender = self._find(name)
        if proven and is_new:
            address = self._find(network(connection))
            sender.recent = address.add_browser()
        return MessageLimit(sender, rate, is_shared=not proven)

    def _find(self, name: str) -> Sender:
        sender = self._senders.pop(name, None) or Sender(self.per_second)
        self._senders[name] = sender
        if len(self._senders) > MAX_SENDERS:
            self._senders.popitem(last=False)
        return sender


def network(connection: HTTPConnection) -> str:
    """Return the address of a client: of IPv6, the part it cannot choose."""
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
