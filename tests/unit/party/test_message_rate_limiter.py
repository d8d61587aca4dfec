"""The rate of messages: fair between senders, whatever they do."""

import time

import pytest
from starlette.requests import HTTPConnection

from shared.party import message_rate_limiter
from shared.party.limits import Limits, TokenBucket
from shared.party.message_rate_limiter import (
    Identity,
    MessageRateLimiter,
    SenderRegistry,
)


class StubRoom:
    """Stands in for a room: a limit needs only its identity."""


ROOM = StubRoom()


def limit_in(
    senders: SenderRegistry, browser: str = "ada", host: str = "::1"
) -> MessageRateLimiter:
    """Return the limit of a browser's connection in a room."""
    connection = HTTPConnection({"type": "websocket", "client": (host, 1)})
    identity = Identity(browser, is_proven=bool(browser))
    return senders.get_limiter(connection, identity, ROOM)


def test_busy_room_refuses_its_heaviest_senders_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fifty senders at their limit leave room for lighter ones."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    senders = SenderRegistry(Limits())
    heavy = [limit_in(senders, f"heavy {number}") for number in range(50)]
    taken = refused = 0
    for step in range(1, 201):
        now += 0.05
        for each in heavy:
            for _ in range(2):
                why = each.consume()
                taken, refused = taken + (not why), refused + bool(why)
        if step % 10 == 0:
            for number in range(step, step + 10):
                light = limit_in(senders, f"light {number}", f"light {number}")
                assert not light.consume()
    assert refused > 5_000
    assert 1_000 < taken < 200 * 10 + 200
    recent = heavy[0].sender.recent
    assert limit_in(senders, "heavy 0").sender.recent == recent


def test_endless_new_browsers_do_not_delay_present_senders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new cookie for every ten messages silences no room.

    Ada sends two messages a second.
    """
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    senders = SenderRegistry(Limits())
    ada = limit_in(senders)
    now += 30
    for step in range(1, 161):
        now += 0.05
        for number in range(20):
            eve = limit_in(senders, f"{step} {number}")
            while not eve.consume():
                pass
        if step % 10 == 0:
            assert not ada.consume()


def test_room_rate_is_never_below_one_senders() -> None:
    """A room's own rate is never below one sender's."""
    limits = Limits(
        max_messages_per_second=1_000, max_room_messages_per_second=1
    )
    ada = limit_in(SenderRegistry(limits))
    assert [ada.consume() for _ in range(400)] == [None] * 400


def test_senders_are_bounded_and_an_ipv6_network_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_rate_limiter, "MAX_SENDERS", 3)
    senders = SenderRegistry(Limits())

    def sender_at(host: str) -> TokenBucket:
        connection = HTTPConnection({"type": "websocket", "client": (host, 1)})
        return senders.get_limiter(connection, Identity(), ROOM).sender

    first = sender_at("2001:db8::1")
    assert sender_at("2001:db8::ffff:1") is first
    assert sender_at("2001:db8:0:1::1") is not first
    assert sender_at("::ffff:192.0.2.1") is sender_at("192.0.2.1")
    for number in range(3):
        sender_at(f"192.0.2.{number + 10}")
    assert sender_at("2001:db8::1") is not first
