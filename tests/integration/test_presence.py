"""Presence: who is in a room and what they do (stage 5 and later)."""

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgpack
import pytest
from websockets.exceptions import InvalidStatus

from shared.chat.rooms import ROOM_IDS

from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)

pytestmark = pytest.mark.stages(5)

Json = dict[str, Any]
Serve = Callable[..., ServerProcess]

# As in docs/protocol.md, byte for byte.
JOIN = bytes.fromhex(
    "83a474797065a46a6f696ea870726573656e636582a6637572736f72c0a76d6573736167"
    "65c0a4696e666f81a46e616d65ac64656661756c74206e616d65"
)
UPDATE = bytes.fromhex(
    "82a474797065a6757064617465a870726573656e636582a6637572736f7283a178cb3fce"
    "000000000000a179cb3fd8000000000000a7706f696e746572a56d6f757365a76d657373"
    "616765c0"
)
# And what comes back, where the joiner is “ada” and in no country.
SYNC = bytes.fromhex(
    "82a474797065a473796e63a5757365727381a361646183a7636f756e747279c0a8707265"
    "73656e636582a6637572736f72c0a76d657373616765c0a4696e666f81a46e616d65ac64"
    "656661756c74206e616d65"
)
ADDED = bytes.fromhex(
    "84a474797065a76368616e676573a361646481a361646183a7636f756e747279c0a87072"
    "6573656e636582a6637572736f72c0a76d657373616765c0a4696e666f81a46e616d65ac"
    "64656661756c74206e616d65a870726573656e636580a672656d6f766590"
)
MOVED = bytes.fromhex(
    "84a474797065a76368616e676573a361646480a870726573656e636581a361646182a663"
    "7572736f7283a178cb3fce000000000000a179cb3fd8000000000000a7706f696e746572"
    "a56d6f757365a76d657373616765c0a672656d6f766590"
)
REMOVED = bytes.fromhex(
    "84a474797065a76368616e676573a361646480a870726573656e636580a672656d6f7665"
    "91a3616461"
)

NOWHERE = {"cursor": None, "message": None}
rooms = itertools.cycle(set(ROOM_IDS) - {"room-4"})


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    """One server for all the tests that need no settings of their own."""
    with start(stage) as running:
        yield running


@pytest.fixture
def room() -> str:
    """A room that the tests just before were not in."""
    return next(rooms)


def join_frame(name: str | None = None, cursor: Json | None = None) -> Json:
    presence = {"cursor": cursor, "message": None}
    return {"type": "join", "presence": presence, "info": {"name": name}}


def update_frame(x: Any, y: Any = 0.5, pointer: Any = "mouse") -> Json:
    cursor = {"x": x, "y": y, "pointer": pointer}
    return {"type": "update", "presence": {"cursor": cursor, "message": None}}


class User:
    """Somebody in a presence room, and all that they know of it."""

    def __init__(self, guest: WebSocketClient) -> None:
        self.guest = guest
        self.users: Json = {}
        self.errors: list[str] = []
        self.frames = 0

    def send(self, frame: Any, text: bool = False) -> None:
        """Send a message as msgpack, or as JSON."""
        if isinstance(frame, dict):
            frame = json.dumps(frame) if text else msgpack.packb(frame)
        self.guest.send(frame)

    def raw(self, timeout: float = PATIENCE) -> str | bytes:
        """The next frame as it is."""
        return self.guest.socket.recv(timeout=timeout)

    def next(self, timeout: float = PATIENCE) -> Json:
        """The next message; what it says is known from then on."""
        frame = self.raw(timeout)
        if isinstance(frame, str):
            message: Json = json.loads(frame)
            assert message["type"] == "error", message
            self.errors.append(message["message"])
            return message
        message = msgpack.unpackb(frame)
        self.frames += 1
        if message["type"] == "sync":
            assert list(message) == ["type", "users"]
            self.users = message["users"]
        else:
            assert list(message) == ["type", "add", "presence", "remove"]
            for id in message["remove"]:
                self.users.pop(id, None)
            self.users.update(message["add"])
            for id, presence in message["presence"].items():
                self.users[id]["presence"] = presence
        return message

    def join(self, name: str | None = None, cursor: Json | None = None) -> Json:
        """Join, and wait until the room is known; returns its users."""
        self.send(join_frame(name, cursor))
        while self.next()["type"] != "sync":
            pass
        return self.users

    def move(self, x: float, y: float = 0.5) -> None:
        """Point somewhere."""
        self.send(update_frame(x, y))

    def until(self, told: Callable[[Json], Any]) -> None:
        """Wait until the users are as told."""
        while not told(self.users):
            self.next()

    def sees(self, id: str, x: float) -> None:
        """Wait until somebody points there."""
        self.until(lambda users: (at(users, id) or {}).get("x") == x)

    def hears_nothing(self, timeout: float = 0.2) -> None:
        """Make sure that nothing comes for a while."""
        with pytest.raises(TimeoutError):
            self.raw(timeout)


def at(users: Json, id: str) -> Json | None:
    """Where somebody points."""
    cursor: Json | None = users.get(id, {}).get("presence", {}).get("cursor")
    return cursor


@contextmanager
def enter(
    server: ServerProcess, room: str, pk: str = "", **options: Any
) -> Iterator[User]:
    """Be in a room, without having joined yet."""
    with server.join(room, "presence", pk=pk, **options) as guest:
        yield User(guest)


@contextmanager
def joined(
    server: ServerProcess, room: str, pk: str, name: str | None = None
) -> Iterator[User]:
    """Be in a room, and be told that everybody knows."""
    with enter(server, room, pk) as user:
        assert pk in user.join(name)
        while pk not in user.next().get("add", {}):
            pass
        yield user


# The wire


@pytest.mark.stages(2, 4)
def test_the_stages_before_have_no_presence_party(
    server: ServerProcess,
) -> None:
    assert server.get("/parties/presence/hello-world").status == 404
    with (
        pytest.raises(InvalidStatus) as refused,
        server.join("hello-world", "presence"),
    ):
        pass
    assert refused.value.response.status_code == 404


def test_presence_frames_are_those_of_the_protocol_byte_for_byte(
    server: ServerProcess, room: str
) -> None:
    with (
        server.join(room, "presence", pk="bob") as bob,
        joined(server, room, "bob-2") as other,
    ):
        with server.join(room, "presence", pk="ada") as ada:
            ada.send(JOIN)
            synced = msgpack.unpackb(ada.socket.recv(PATIENCE))
            assert set(synced["users"]) == {"ada", "bob-2"}
            assert ada.socket.recv(PATIENCE) == ADDED
            assert bob.socket.recv(PATIENCE)  # bob-2, of whom Bob was told
            assert bob.socket.recv(PATIENCE) == other.raw() == ADDED
            ada.send(UPDATE)
            assert bob.socket.recv(PATIENCE) == other.raw() == MOVED
            assert ada.socket.recv(PATIENCE) == MOVED
        assert bob.socket.recv(PATIENCE) == other.raw() == REMOVED


@pytest.mark.behaviour(
    "Who joins is told of everybody",
    expected="a sync with the joiner in it, then changes that add them",
)
def test_who_joins_an_empty_room_finds_themselves_in_it(
    server: ServerProcess, room: str
) -> None:
    with enter(server, room, "ada") as ada:
        ada.send(JOIN)
        assert ada.raw() == SYNC
        assert ada.raw() == ADDED
        ada.hears_nothing()


@pytest.mark.behaviour(
    "JSON text is taken as well as msgpack", expected="the same as for msgpack"
)
def test_the_same_as_json_text_is_taken_too(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob, enter(server, room, "ada") as ada:
        ada.send(join_frame("Ada"), text=True)
        assert ada.next()["type"] == "sync"
        assert set(ada.users) == {"ada", "bob"}
        bob.until(lambda users: "ada" in users)
        assert bob.users["ada"]["info"] == {"name": "Ada"}
        ada.send(update_frame(0.25), text=True)
        bob.sees("ada", 0.25)
        ada.send(b'{"type": "update"}')  # JSON, but in a binary frame
        ada.until(lambda _: ada.errors)
        assert "“join” and “update”" in ada.errors[0]


def test_missing_fields_are_null_and_unknown_ones_ignored(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob, enter(server, room, "ada") as ada:
        frame: Json = {"type": "join", "presence": {}, "info": {}}
        frame |= {"more": 1, "country": "XX", "id": "bob"}
        ada.send({**frame, "info": {"country": "XX"}})
        user = {"country": None, "presence": NOWHERE, "info": {"name": None}}
        assert ada.next()["users"]["ada"] == user
        assert bob.next()["add"] == {"ada": user}
        ada.send({"type": "update", "presence": {}})
        assert bob.next()["presence"] == {"ada": NOWHERE}
        assert bob.users["bob"]["info"] == {"name": None}


@pytest.mark.parametrize("text", [False, True])
def test_label_that_nobody_may_speak_under_is_refused(
    server: ServerProcess, room: str, text: bool
) -> None:
    names = ("AI", "Al", "\ua4ee\ua4f2", "s\u0443stem", "Ada\nAI", "\u202eIA")
    with joined(server, room, "bob") as bob, enter(server, room, "eve") as eve:
        for name in names:
            eve.send(join_frame(name), text)
            assert "name" in eve.next()["message"].lower()
        eve.join("Al Gore")
        bob.until(lambda users: "eve" in users)
        assert bob.users["eve"]["info"] == {"name": "Al Gore"}


@pytest.mark.behaviour(
    "A position arrives exactly as it was sent",
    expected="changes with the new presence of who moved",
)
@pytest.mark.parametrize("text", [False, True])
def test_position_arrives_exactly_as_it_was_sent(
    server: ServerProcess, room: str, text: bool
) -> None:
    """And so does its end."""
    positions: list[tuple[float, float]] = [
        *((0, 1), (1, 0), (0.0, 1.0), (0.1, 0.2), (1 / 3, 2 / 3)),
        *((5e-324, 1 - 2**-53), (0.30000000000000004, 0.1 + 0.7)),
    ]
    with joined(server, room, "bob") as bob, joined(server, room, "ada") as ada:
        for x, y in positions:
            here = {"x": x, "y": y, "pointer": "touch"}
            ada.send(update_frame(x, y, "touch"), text)
            bob.until(lambda users, here=here: at(users, "ada") == here)
        ada.send({"type": "update", "presence": NOWHERE}, text)
        bob.until(lambda users: at(users, "ada") is None)
        assert bob.users["ada"]["presence"] == NOWHERE


@pytest.mark.behaviour(
    "A newcomer is told where everybody is",
    expected="a sync with everybody's presence",
)
def test_a_newcomer_is_told_where_everybody_is(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "ada", "Ada") as ada:
        ada.move(0.25)
        with enter(server, room, "bob") as bob:
            here = {"x": 0.75, "y": 0.5, "pointer": "mouse"}
            bob.join("Bob", here)
            bob.sees("ada", 0.25)
            assert at(bob.users, "bob") == here
            ada.sees("bob", 0.75)


# Deliveries, and how often


@pytest.mark.behaviour(
    "Who is alone does not hear their own moves",
    expected="changes while somebody else is here, and then silence",
)
def test_who_is_alone_does_not_hear_themselves(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "ada") as ada:
        for number in range(10):
            ada.move(number / 10)
        ada.hears_nothing()
        with joined(server, room, "bob") as bob:
            ada.until(lambda users: "bob" in users)
            assert (
                at(bob.users, "ada") == update_frame(0.9)["presence"]["cursor"]
            )
            ada.move(0.95)
            bob.sees("ada", 0.95)
        ada.until(lambda users: "bob" not in users)
        ada.move(0.5)
        ada.hears_nothing()


@pytest.mark.behaviour(
    "Who joins again says anew who they are",
    expected="a sync again, and changes that add the joiner again",
)
def test_who_joins_again_is_told_again_and_says_anew_who_they_are(
    server: ServerProcess, room: str
) -> None:
    """As a page does when its user signs in."""
    with joined(server, room, "bob") as bob, joined(server, room, "ada") as ada:
        here = {"x": 0.25, "y": 0.5, "pointer": "mouse"}
        assert set(ada.join("Ada", here)) == {"ada", "bob"}
        assert ada.users["ada"]["info"] == {"name": "Ada"}
        bob.sees("ada", 0.25)
        assert bob.users["ada"]["info"] == {"name": "Ada"}
        ada.move(0.75)
        bob.sees("ada", 0.75)
        assert bob.users["ada"]["info"] == {"name": "Ada"}
    with enter(server, room, "eve") as eve:
        assert set(eve.join()) == {"eve"}


@pytest.mark.behaviour(
    "Who has not joined moves nothing", expected="no changes at all"
)
def test_who_has_not_joined_moves_nothing(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob, enter(server, room, "ada") as ada:
        ada.move(0.25)
        bob.hears_nothing()
        assert set(ada.join()) == {"ada", "bob"}
        assert at(ada.users, "ada") is None
        ada.move(0.5)
        bob.sees("ada", 0.5)
    with joined(server, room, "eve") as eve:
        with enter(server, room, "nobody"):
            pass
        eve.hears_nothing()


@pytest.mark.behaviour(
    "Who leaves is removed for everybody",
    expected="changes that remove who left",
)
def test_who_leaves_is_removed_for_everybody(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob:
        with joined(server, room, "ada") as ada:
            ada.move(0.25)
            bob.sees("ada", 0.25)
        removed = bob.next()
        while not removed["remove"]:
            removed = bob.next()
        assert removed["remove"] == ["ada"]
        assert set(bob.users) == {"bob"}
        with enter(server, room, "eve") as eve:
            assert set(eve.join()) == {"bob", "eve"}


def test_who_joins_and_leaves_at_once_is_not_left_behind(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob:
        for number in range(20):
            with enter(server, room, f"ada-{number}") as ada:
                ada.send(join_frame())
        with joined(server, room, "eve") as eve:
            bob.until(lambda users: "eve" in users)
            bob.hears_nothing()
            assert set(bob.users) == set(eve.users) == {"bob", "eve"}


@pytest.mark.behaviour(
    "Who comes back under their id is not removed with the old socket",
    expected="no changes that remove them",
)
def test_who_reconnects_under_their_id_is_not_removed_by_their_old_socket(
    server: ServerProcess, room: str
) -> None:
    with joined(server, room, "bob") as bob:
        with joined(server, room, "ada", "old") as old:
            with enter(server, room, "ada") as new:
                new.join("new", {"x": 0.5, "y": 0.5, "pointer": "mouse"})
                assert set(new.users) == {"ada", "bob"}
                assert old.guest.closed()[0] == 4001
                bob.until(lambda users: known(users, "ada") == "new")
                new.move(0.75)
                bob.sees("ada", 0.75)
                bob.hears_nothing()
                assert set(bob.users) == {"ada", "bob"}
            bob.until(lambda users: "ada" not in users)
        bob.hears_nothing()


def test_who_reconnects_and_does_not_join_is_still_who_they_were(
    server: ServerProcess, room: str
) -> None:
    with (
        joined(server, room, "bob") as bob,
        joined(server, room, "ada", "Ada") as old,
        enter(server, room, "ada") as new,
    ):
        assert old.guest.closed()[0] == 4001
        new.move(0.5)
        bob.sees("ada", 0.5)
        assert bob.users["ada"]["info"] == {"name": "Ada"}


@pytest.mark.behaviour("Everybody gets 60 frames a second at most")
def test_everybody_gets_60_frames_a_second_at_most(
    server: ServerProcess, room: str
) -> None:
    movers = [f"mover-{number}" for number in range(5)]
    moves = 60
    with joined(server, room, "bob") as bob:
        with ExitStack() as stack:
            seats = [enter(server, room, id) for id in movers]
            users = [stack.enter_context(seat) for seat in seats]
            for user in users:
                user.join()
            bob.until(lambda known: set(movers) <= set(known))
            bob.frames = 0
            began = time.perf_counter()
            for step in range(moves):
                for user in users:
                    user.move((step + 1) / moves)
                time.sleep(1 / 120)
            for id in movers:
                bob.sees(id, 1)
            took = time.perf_counter() - began
        most = int(60 * took + 2)
        assert bob.frames <= most, f"{bob.frames} frames, of {most} at most"
        assert bob.frames >= 3


# Where somebody is

LANGUAGES = {
    "de-AT": "AT",
    "de-AT,de;q=0.9,en-US;q=0.8": "AT",
    "de, en-GB;q=0.5": "GB",
    "zh-Hant-TW": "TW",
    "zh-Hant-TW,zh;q=0.9": "TW",
    "pt-br": "BR",
    "EN-us": "US",
    "fil-PH": "PH",
    "ca-ES-valencia": "ES",
    "en;q=0.9, fr-CH;q=0.8": "CH",
    "de": None,
    "": None,
    "*": None,
    "zh-Hant": None,
    "es-419": None,
    "x-DE-y": None,
    "de_AT": None,
    "-AT": None,
    "de-de-" * 1000: "DE",
    "a-" * 3000: None,
}


def test_country_is_the_first_region_of_the_languages(
    server: ServerProcess, room: str
) -> None:
    for told, country in LANGUAGES.items():
        headers = {"Accept-Language": told, "CF-IPCountry": "FR"}
        with enter(server, room, "ada", additional_headers=headers) as ada:
            ada.send(join_frame() | {"country": "FR"})
            assert ada.next()["users"]["ada"]["country"] == country, told


@pytest.mark.behaviour(
    "Others see in which country somebody is",
    expected="changes that add the user, with country AT",
)
def test_others_see_the_country_also_after_a_second_join(
    server: ServerProcess, room: str
) -> None:
    headers = {"Accept-Language": "de-AT"}
    with (
        joined(server, room, "bob") as bob,
        enter(server, room, "ada", additional_headers=headers) as ada,
    ):
        for name in (None, "Ada"):
            ada.join(name)
            while known(bob.users, "ada") != name:
                bob.next()
            assert bob.users["ada"]["country"] == "AT"


def known(users: Json, id: str) -> Any:
    """The name under which somebody is known; False if they are not."""
    return users[id]["info"]["name"] if id in users else False


def test_country_header_of_a_trusted_proxy_wins(stage: Stage) -> None:
    with start(stage, COUNTRY_HEADER="CF-IPCountry") as proxied:
        for told, country in (
            *(("FR", "FR"), ("fr", "FR"), (" FR ", "FR"), ("", None)),
            *(("XYZ", None), ("T1", None), (None, None), ("ÄÖ", None)),
        ):
            headers = {"Accept-Language": "de-AT"}
            if told is not None:
                headers["cf-ipcountry"] = told
            with enter(
                proxied, "room-4", "ada", additional_headers=headers
            ) as ada:
                assert ada.join()["ada"]["country"] == country, told


# Refusals


def nested(depth: int) -> bytes:
    """An update whose message is a list in a list in a list …"""
    return (
        b"\x82\xa4type\xa6update\xa8presence\x81\xa7message"
        + b"\x91" * depth
        + b"\xc0"
    )


GARBAGE: dict[str, Any] = {
    "nothing": b"",
    "empty text": "",
    "no message": b"\xc0",
    "unused byte": b"\xc1",
    "cut": UPDATE[:-1],
    "cut early": UPDATE[:9],
    "more behind it": UPDATE + b"\xc0",
    "huge array": b"\xdd\xff\xff\xff\xff",
    "huge map": b"\xdf\xff\xff\xff\xff",
    "huge text": b"\xdb\xff\xff\xff\xff",
    "an extension": msgpack.packb(msgpack.ExtType(5, b"x")),
    "type is an extension": msgpack.packb({"type": msgpack.ExtType(1, b"")}),
    "a time": b"\xd7\xff" + b"\xff" * 8,
    "no time": b"\xc7\x05\xff" + b"\0" * 5,
    "numbers as keys": msgpack.packb({1: 2, "type": "join"}),
    "bytes as keys": msgpack.packb({b"type": b"join"}),
    "maps as keys": b"\x81\x80\x80",
    "lists as keys": b"\x81\x90\x80",
    "no UTF-8": b"\x81\xa4type\xa4\xff\xfe\xfd\xfc",
    "deep": nested(900),
    "deep, as JSON": "[" * 1000,
    "a list": msgpack.packb(["join"]),
    "a word": "join",
    "half of JSON": '{"type": "join"',
    "no type": msgpack.packb({"presence": NOWHERE}),
    "another type": msgpack.packb({"type": "sync", "users": {}}),
    "a type in a list": msgpack.packb({"type": ["join"]}),
    "no presence": msgpack.packb({"type": "update"}),
    "no info": msgpack.packb({"type": "join", "presence": NOWHERE}),
    "a long name": msgpack.packb(join_frame("x" * 41)),
    "a number as name": msgpack.packb(join_frame(5)),  # type: ignore[arg-type]
    "half a letter as name": json.dumps(join_frame("\ud800")),
    "another pointer": msgpack.packb(update_frame(0.5, 0.5, "pen")),
    "no pointer": msgpack.packb(update_frame(0.5, 0.5, None)),
}
for wrong in (
    *(math.nan, math.inf, -math.inf, -0.001, 1.001, 2, -1, 2**63),
    *("0.5", b"0.5", True, False, None, [], {}),
):
    name = f"{wrong!r} as "
    GARBAGE[name + "x"] = msgpack.packb(update_frame(wrong, 0.5))
    GARBAGE[name + "y"] = msgpack.packb(update_frame(0.5, wrong))
    if not isinstance(wrong, bytes):
        GARBAGE[name + "x, as JSON"] = json.dumps(update_frame(wrong, 0.5))
GARBAGE["1e999 as x"] = json.dumps(update_frame(5)).replace("5,", "1e999,", 1)


@pytest.mark.parametrize("frame", GARBAGE.values(), ids=list(GARBAGE))
def test_garbage_is_refused_and_disturbs_nobody(
    pair: tuple[User, User], frame: Any
) -> None:
    """Frames of one moment are handled together, and refused one by one."""
    ada, bob = pair
    ada.errors.clear()
    here = next(places)
    ada.send(frame)
    ada.move(here)
    bob.sees("ada", here)
    ada.until(lambda _: ada.errors)
    assert ada.errors == ["Presence takes “join” and “update”."]
    assert bob.errors == []
    assert set(bob.users) == {"ada", "bob"}


places = (number / 1000 for number in range(1000))


@pytest.fixture(scope="module")
def pair(server: ServerProcess) -> Iterator[tuple[User, User]]:
    """Ada and Bob in a room of theirs."""
    with (
        joined(server, "room-4", "bob") as bob,
        joined(server, "room-4", "ada") as ada,
    ):
        bob.until(lambda users: "ada" in users)
        yield ada, bob


def test_presence_frame_may_have_1_kib(pair: tuple[User, User]) -> None:
    ada, bob = pair
    ada.errors.clear()
    for size in (1024, 1026, 1024):
        frame = update_frame(here := next(places))
        left = size - len(msgpack.packb(frame | {"more": ""})) - 2
        padded = msgpack.packb(frame | {"more": b"x" * left})
        assert len(padded) == size
        ada.send(padded)
        if size == 1024:
            bob.sees("ada", here)
            assert ada.errors == []
        else:
            ada.until(lambda _: ada.errors)
            assert "1,024 bytes" in ada.errors.pop()


def test_90_frames_a_second_all_count(server: ServerProcess, room: str) -> None:
    with joined(server, room, "bob") as bob, joined(server, room, "ada") as ada:
        for number in range(90):
            ada.send(b"\xc1" if number % 2 else update_frame(number / 90))
            time.sleep(1 / 90)
        ada.move(1)
        bob.sees("ada", 1)
        while len(ada.errors) < 45:
            ada.next()
