"""The presenter's hand on the room, and that nobody else has it."""

import asyncio
import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.ai.replay.player import NOT_RECORDED
from shared.chat.messages import HIDDEN
from shared.party import Room
from shared.party.registry import PartyRegistry
from shared.presenter.faults import FaultName

from ..support.conversation import Talk, hear_ai
from ..support.presenter import KEY, Presenter
from ..support.server_process import (
    PATIENCE,
    ROOT,
    Client,
    ServerProcess,
    Stage,
    WebSocketClient,
    free_port,
    start,
)
from ..support.stubs import OpenAIStub
from .test_serve import ended_by_saving

Serve = Callable[..., ServerProcess]

LINK = re.compile(r"For the presenter alone: (http://\S+)/presenter#(\S+)\n")
ROOM = {"party": "chatroom", "room": "hello-world"}
ACTIONS: list[dict[str, Any]] = [
    {"action": "pause"},
    {"action": "answer_only_presenter"},
    {"action": "resume"},
    {"action": "play_recordings"},
    {"action": "ask_model"},
    {"action": "hide_cursors"},
    {"action": "show_cursors"},
    {"action": "mute", "name": "Eve"},
    {"action": "unmute", "name": "Eve"},
    {"action": "clear", **ROOM},
]
HIDE = {"action": "hide_reply", **ROOM}
FAULTS = [{"action": each} for each in get_args(FaultName)]
NOTHING = {"type": "presenter"}
LAN = {"LAN": "1", "HOST": "localhost"}
"""Set, HOST stays: nobody but this machine comes in."""

WRONG = [
    {},
    *[
        {"Authorization": value}
        for value in (
            KEY,
            "Bearer",
            "Bearer ",
            f"Bearer {KEY}x",
            f"Bearer {KEY[:-1]}",
            f"Bearer {KEY.upper()}",
            f"Basic {KEY}",
            "Bearer \xdc",
        )
    ],
    {"Cookie": f"key={KEY}", "X-Presenter-Key": KEY},
]
"""Headers of those who do not have the link."""


@pytest.fixture(scope="module")
def long_running(stage: Stage) -> Iterator[ServerProcess]:
    with start(
        stage, PRESENTER_KEY=KEY, MAX_MESSAGES_PER_SECOND="1000"
    ) as running:
        yield running


@pytest.fixture
def running(long_running: ServerProcess) -> Iterator[ServerProcess]:
    """A stage whose presenter has a key, for all the tests of this file."""
    yield long_running
    Presenter(long_running).reset()


@pytest.fixture
def presenter(running: ServerProcess) -> Presenter:
    return Presenter(running)


Guests = Callable[..., WebSocketClient]


@pytest.fixture
def guests() -> Iterator[Guests]:
    """Let people into a room: `guests(running)`."""
    with ExitStack() as stack:

        def enter(server: Client, **options: Any) -> WebSocketClient:
            # A client that does not read its frames takes long to leave.
            joined = server.join(**options)
            guest = stack.enter_context(joined)
            guest.wait_for("history")
            return guest

        yield enter


def history(server: Client, **options: Any) -> dict[str, Any]:
    """Return the history of a newcomer."""
    with server.join(**options) as guest:
        told: dict[str, Any] = guest.wait_for("history")
        return told


def bodies(told: dict[str, Any]) -> list[str]:
    return [message["body"] for message in told["messages"]]


def kept(
    guest: WebSocketClient, *said: str, user: str = "Ada"
) -> list[dict[str, Any]]:
    """Let somebody say things, and wait until each is kept."""
    messages = [guest.say(each, user) for each in said]
    for message in messages:
        guest.wait_for("ack", id=message["id"])
    return messages


def ends(
    guest: WebSocketClient, count: int, status: str | None = None
) -> list[dict[str, Any]]:
    """Wait until so many replies have ended; None: they are finished."""
    return [hear_ai(guest, status) for _ in range(count)]


# Without the link


@pytest.mark.stages(1, 1)
def test_presenter_page_needs_a_key_setting(serve: Serve) -> None:
    running = serve()
    assert running.get("/presenter").status == 404
    for action in ACTIONS:
        for header in ("Bearer", "Bearer "):
            answer = running.ask(
                "POST", "/presenter", action, Authorization=header
            )
            assert answer.status == 404
    assert running.get("/presenter/state", Authorization="Bearer").status == 404
    running.process.terminate()
    assert running.process.stdout
    assert "presenter" not in running.process.stdout.read()


@pytest.mark.stages(2)
def test_key_guard_limits_wrong_guesses_and_locks_out_no_presenter(
    serve: Serve,
) -> None:
    """Also after a restart, and whoever else guesses at their address."""
    running = serve(PRESENTER_KEY=KEY, COOKIE_SECRET="secret")
    wrong = Presenter(running, "wrong")
    right = Presenter(running).ask("GET", "/presenter/state")
    assert right.status == 200
    cookie, *attributes = right.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {*attributes}
    guesses = [wrong.ask("GET", "/presenter/state") for _ in range(30)]
    assert [each.status for each in guesses[:10]] == [403] * 10
    assert guesses[-1].status == 429
    words = "Too many wrong keys came from your address. Wait a minute."
    assert guesses[-1].json() == {"error": words}
    assert guesses[-1].headers["retry-after"] == "60"

    def ask(key: str, **headers: str) -> int:
        bearer = f"Bearer {key}"
        path = "/presenter/state"
        return running.get(path, Authorization=bearer, **headers).status

    assert ask(KEY) == 429
    assert ask(KEY, X_Forwarded_For="192.0.2.1") == 200
    assert ask(KEY, Cookie=cookie) == 200
    assert ask("wrong", Cookie=cookie) == 403
    assert ask(KEY, Cookie=cookie[:-1]) == 429
    running.stop()
    running.start()
    for _ in range(30):
        wrong.ask("GET", "/presenter/state")
    assert ask(KEY) == 429
    assert ask(KEY, Cookie=cookie) == 200


@pytest.mark.stages(2)
def test_presenter_actions_need_the_key(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    ada = guests(running)
    kept(ada, "hello")
    before = presenter.sees()
    guess = itertools.count()

    def refused(action: Any, query: str = "", **headers: str) -> None:
        # A proxy says that each comes from somewhere else.
        headers["X-Forwarded-For"] = f"2001:db8:{next(guess):x}::1"
        path = f"/presenter{query}" if action else f"/presenter/state{query}"
        method = "POST" if action else "GET"
        answer = running.ask(method, path, action, **headers)
        assert answer.status == 403, (headers, action)
        told = {"error": "This takes the presenter’s link."}
        assert answer.json() == told

    for action in [*ACTIONS, HIDE, *FAULTS]:
        refused(action)
    for query in (f"?key={KEY}", f"?{KEY}"):
        refused(None, query)
        refused(ACTIONS[0], query)
    for wrong in WRONG:
        refused(None, **wrong)
        refused(ACTIONS[0], **wrong)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        for path in ("/presenter", "/presenter/state"):
            assert running.ask(method, path, ACTIONS[0]).status == 405
    assert presenter.sees() == before
    assert bodies(history(running)) == ["hello"]


def test_presenter_page_is_empty_without_the_key(
    running: ServerProcess,
) -> None:
    """It has to ask for all its contents."""
    page = running.get("/presenter")
    assert page.status == 200
    assert '<script type="application/json" id="data">{}</script>' in page.text
    others = [running.get(each).text for each in ("/", "/chats", "/usage")]
    for text in (page.text, *others):
        assert KEY not in text
    assert not any("/presenter" in text for text in others)


@pytest.mark.stages(1, 1)
def test_presenter_banner_needs_guests(serve: Serve) -> None:
    """Deployed, what is printed is a log: only LAN=1 has a terminal."""
    running = serve(PRESENTER_KEY=KEY)
    Presenter(running).sees()
    Presenter(running, "wrong").ask("POST", "/presenter", ACTIONS[0])
    running.process.terminate()
    assert running.process.stdout
    assert KEY not in running.process.stdout.read() + running.errors()


# The link


def printed_link(running: ServerProcess) -> tuple[str, str]:
    """The address and the key that a server prints for the presenter."""
    assert running.process.stdout
    for line in running.process.stdout:
        if found := LINK.fullmatch(line):
            return found[1], found[2]
    raise AssertionError("It printed no link.")


@pytest.mark.stages(1, 1)
def test_presenter_banner_has_the_link(
    serve: Serve,
) -> None:
    running = serve(**LAN)
    address, key = printed_link(running)
    assert address == f"http://127.0.0.1:{running.port}"
    assert len(key) >= 40
    assert running.get("/presenter").status == 200
    assert Presenter(running, key).sees()["answers"] == "everybody"


@pytest.mark.stages(1, 1)
def test_presenter_key_may_have_any_letters(serve: Serve) -> None:
    running = serve(**LAN, PRESENTER_KEY="Käse & #1 und Brot")
    _, key = printed_link(running)
    assert key == "K%C3%A4se%20%26%20%231%20und%20Brot"
    assert Presenter(running, key).sees()


@pytest.mark.soak
@pytest.mark.stages(2)
def test_presenter_link_survives_a_reload(tmp_path: Path) -> None:
    """And browsers' cookies."""
    for folder in ("shared", "demo_02"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    stage = Stage(2, tmp_path / "demo_02")
    port = str(free_port())
    with start(stage, **LAN, RELOAD="1", PORT=port) as running:
        before = printed_link(running)
        cookie = running.get("/").headers["set-cookie"].partition(";")[0]
        with running.join() as ada:
            ended_by_saving(stage.folder / "app.py", ada)
        assert printed_link(running) == before
        assert "set-cookie" not in running.get("/", Cookie=cookie).headers


# Requests


def test_presenter_actions_work_in_every_stage(
    stage: Stage, presenter: Presenter
) -> None:
    """Before there are rooms, and before there is an AI."""
    state = presenter.sees()
    del state["rooms"], state["names"], state["faults"]
    assert state == {
        "ai": [] if stage.level < 3 else ["No AI answers (AI=none)"],
        "answers": "everybody",
        "recordings_only": False,
        "has_model": False,
        "cursors_hidden": False,
        "muted": [],
        "shared": stage.level > 1,
    }
    for action in ACTIONS[:-1]:
        presenter.does(**action)
    assert presenter.sees().items() >= state.items()


@pytest.mark.stages(2)
def test_presenter_actions_are_validated(presenter: Presenter) -> None:
    before = presenter.sees()
    for wrong in (
        None,
        [],
        {},
        "pause",
        {"action": "explode"},
        {"action": ["pause"]},
        {"action": "pause", "room": "hello-world"},
        {"action": "mute"},
        {"action": "mute", "name": ""},
        {"action": "mute", "name": 7},
        {"action": "mute", "name": "x" * 41},
        {"action": "clear", "party": "chatroom"},
        {"action": "clear", "party": "chatroom", "room": 4},
    ):
        answer = presenter.ask("POST", "/presenter", wrong)
        assert answer.status == 422, wrong
        assert answer.json()["error"].startswith("An action is ")
    for name in ("AI", " a.i ", "System", "\u2800", "\u200b"):
        answer = presenter.ask(
            "POST", "/presenter", {"action": "mute", "name": name}
        )
        assert answer.status == 422
        assert "anyway" in answer.json()["error"]
    for place in (("chatroom", "nowhere"), ("usage", "total"), ("", "")):
        room = dict(zip(("party", "room"), place, strict=True))
        for action in (ACTIONS[-1], HIDE):
            answer = presenter.ask("POST", "/presenter", action | room)
            assert answer.status == 404
            assert answer.json() == {"error": "There is no such room."}
    too_much = {"action": "mute", "name": "x" * 70_000}
    assert presenter.ask("POST", "/presenter", too_much).status == 413
    assert presenter.sees() == before


@pytest.mark.stages(2)
def test_presenter_state_has_rooms_and_speakers(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    ada, bob = guests(running), guests(running)
    kept(ada, "one", "two")
    kept(bob, "three", user="Bob")
    kept(ada, "four", user="ADA")
    kept(guests(running, room="room-4"), "five", user="Eve")
    state = presenter.sees()
    rooms = [
        {
            "party": "chatroom",
            "room": room,
            "title": title,
            "people": people,
            "messages": messages,
            "has_reply": False,
        }
        for room, title, people, messages in [
            ("hello-world", "Hello, World!", 2, 4),
            ("room-4", "Room #4", 1, 1),
        ]
    ]
    assert sorted(state["rooms"], key=lambda room: room["room"]) == rooms
    assert set(state["names"]) >= {"ADA", "Bob", "Eve"}
    assert "Ada" not in state["names"]


@pytest.mark.stages(2)
def test_presenter_state_remembers_speakers_of_cleared_rooms(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    kept(guests(running), "rubbish", user="Rude")
    room = {"party": "chatroom", "room": "hello-world"}
    state = presenter.does("clear", **room)
    assert state["names"][0] == "Rude"


# Names


@pytest.mark.stages(2)
def test_mute_refuses_messages_of_a_name(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    ada, eve = guests(running), guests(running)
    kept(eve, "before", user="Eve")
    assert ada.hear("before")
    state = presenter.does("mute", name="Eve")
    assert state["muted"] == ["Eve"]
    assert "Eve" not in state["names"]
    told = {"type": "presenter", "muted": ["eve"]}
    assert ada.next() == eve.next() == told
    for name in (
        *("Eve", "EVE", "e v e", "\uff25ve", "E\u200bv\u00ade", " eve "),
        *("\u0415ve", "Ev\u0435", "E\u03bde", "\U0001d404ve"),
    ):
        said = eve.say("listen!", name)
        refused = {
            "type": "error",
            "message": "The presenter has muted this name.",
            "id": said["id"],
        }
        assert eve.next() == refused, name
    kept(eve, "as Eva", user="Eva")
    assert ada.next()["message"]["body"] == "as Eva"
    assert history(running)["presenter"] == {"muted": ["eve"]}
    assert presenter.does("unmute", name="eve")["muted"] == []
    assert ada.next() == NOTHING
    kept(eve, "again", user="Eve")
    assert ada.next()["message"]["body"] == "again"
    assert history(running)["presenter"] == {}


@pytest.mark.stages(5)
def test_mute_hides_cursors_of_look_alikes(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    """Pages are told of those that are there; later ones are refused."""
    first, later = "Ev\u0435", "\u0415ve"
    presence = {"cursor": None, "message": None}

    def join(guest: WebSocketClient, name: str) -> Any:
        info = {"name": name}
        guest.send({"type": "join", "presence": presence, "info": info})
        return guest.socket.recv(PATIENCE)

    reader = guests(running)
    with running.join(party="presence") as eve:
        assert b"sync" in join(eve, first)
        presenter.does("mute", name="Eve")
        told = reader.wait_for("presenter")["muted"]
        assert sorted(told) == ["eve", first.lower()]
        with running.join(party="presence") as other:
            assert "muted this name" in str(join(other, later))
            assert b"sync" in join(other, "Eve")


@pytest.mark.stages(2)
def test_mute_is_limited_to_100_names(presenter: Presenter) -> None:
    for number in range(100):
        presenter.does("mute", name=f"{number}")
    answer = presenter.ask(
        "POST", "/presenter", {"action": "mute", "name": "one more"}
    )
    assert answer.status == 422
    assert answer.json()["error"] == "At most 100 names can be muted."
    assert len(presenter.does("mute", name="7")["muted"]) == 100


# Cursors


@pytest.mark.stages(2)
def test_hide_cursors_is_broadcast(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    ada, bob = guests(running), guests(running, room="room-4")
    assert presenter.does("hide_cursors")["cursors_hidden"] is True
    hidden = {"type": "presenter", "cursors": "hidden"}
    assert ada.next() == bob.next() == hidden
    assert history(running)["presenter"] == {"cursors": "hidden"}
    presenter.does("show_cursors")
    assert ada.next() == bob.next() == NOTHING
    assert history(running)["presenter"] == {}


@pytest.mark.stages(4)
def test_hide_cursors_does_not_reach_the_tally(
    running: ServerProcess, presenter: Presenter
) -> None:
    with running.join("total", "usage") as watcher:
        assert watcher.next() == {"tally": 0}
        for action in ACTIONS[:-1]:
            presenter.does(**action)
        with pytest.raises(TimeoutError):
            watcher.next(0.3)


# Recordings in the place of a model


@pytest.mark.stages(3)
def test_play_recordings_replaces_a_model_that_hangs(
    talk: Talk, guests: Guests
) -> None:
    """The reply in progress ends; those that wait are recordings."""
    chat, openai, presenter = talk.running, talk.stub, Presenter(talk.running)
    openai.held = True
    ada = guests(chat)
    kept(ada, "tell me all", "Hello!")
    openai.next_request().step()
    hear_ai(ada, "streaming")
    state = presenter.does("play_recordings")
    assert state["recordings_only"]
    assert state["has_model"]
    told = {"type": "presenter", "replies": "recorded"}
    assert ada.wait_for("presenter") == told
    hello = ends(ada, 1)[0]["body"]
    assert hello.startswith("Hello! Good to have you all")
    ada.say("and then?")
    (unknown,) = ends(ada, 1)
    assert unknown["body"] == NOT_RECORDED
    assert unknown["note"].startswith("Ask one of these: “write a haiku")
    frame = history(chat)
    assert frame["presenter"] == {"replies": "recorded"}
    statuses = [each.get("status") for each in frame["messages"]]
    assert statuses.count("interrupted") == 1
    openai.held = False
    assert not presenter.does("ask_model")["recordings_only"]
    ada.say("hello")
    assert ends(ada, 1)[0]["body"] == "You said: hello"
    assert len(openai.exchanges) == 2


# A reply that is hidden


@pytest.mark.stages(3)
def test_hide_reply_replaces_its_text_for_everybody(
    talk: Talk, guests: Guests
) -> None:
    """Also in the history and in prompts; earlier replies stay."""
    chat, presenter = talk.running, Presenter(talk.running)
    ada, bob = guests(chat), guests(chat)
    for question in ("one", "two"):
        ada.say(question)
        ends(ada, 1)
        (reply,) = ends(bob, 1)
    assert presenter.does(**HIDE)["rooms"][0]["has_reply"]
    hidden = {**reply, "body": HIDDEN, "hidden": True}
    frame = {"type": "update", "message": hidden}
    assert ada.next() == bob.next() == frame
    told = ["one", "You said: one", "two", HIDDEN]
    assert bodies(history(chat)) == told
    presenter.does(**HIDE)
    assert bodies(history(chat)) == told
    bob.say("three")
    assert hear_ai(ada, None)["body"] == "You said: three"
    assert "You said: one" in str(talk.stub.bodies[-1])
    assert HIDDEN not in str(talk.stub.bodies[-1])


@pytest.mark.stages(3)
def test_hide_reply_cancels_a_reply_in_progress(
    talk: Talk, guests: Guests
) -> None:
    """None of its text comes after that; the next question is answered."""
    chat, openai = talk.running, talk.stub
    openai.held = True
    ada, bob = guests(chat), guests(chat)
    kept(ada, "one", "two")
    asked = openai.next_request()
    asked.step()
    begun = hear_ai(bob, "streaming")["id"]
    openai.held = False
    Presenter(chat).does(**HIDE)
    hidden = hear_ai(bob, None)
    assert (hidden["id"], hidden["body"]) == (begun, HIDDEN)
    assert not asked.wait_until_over()
    heard = [hear_ai(bob, "thinking", "streaming", None)]
    while heard[-1].get("status") or heard[-1]["id"] == begun:
        heard.append(hear_ai(bob, "thinking", "streaming", None))
    assert heard[-1]["body"] == "You said: two"
    again = {each["body"] for each in heard if each["id"] == begun}
    assert again <= {HIDDEN}
    told = bodies(history(chat))
    assert sorted(told) == [HIDDEN, "You said: two", "one", "two"]


@pytest.mark.stages(2)
def test_hide_reply_needs_a_reply(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    kept(guests(running), "hello")
    assert not presenter.sees()["rooms"][0]["has_reply"]
    answer = presenter.ask("POST", "/presenter", HIDE)
    assert answer.status == 404
    assert answer.json() == {"error": "There is no reply in this room."}


# A room that is cleared


@pytest.mark.stages(2)
def test_clear_empties_a_room_for_everybody(
    running: ServerProcess, presenter: Presenter, guests: Guests
) -> None:
    ada, bob = guests(running), guests(running)
    before = history(running)["epoch"]
    said = ada.say("forget this")
    first = ada.wait_for("ack", id=said["id"])["seq"]
    kept(guests(running, room="room-4"), "keep this")
    bob.hear("forget this")
    presenter.does("clear", **ROOM)
    cleared = ada.next()
    assert cleared == bob.next() == history(running)
    assert cleared["messages"] == []
    assert cleared["epoch"] != before
    assert bodies(history(running, room="room-4")) == ["keep this"]
    # New messages are never taken for older ones.
    after = bob.say("a new start", "Bob")
    seq = bob.wait_for("ack", id=after["id"])["seq"]
    assert seq > first
    assert ada.next()["message"]["body"] == "a new start"
    # A sender without an acknowledgement sends it again: it is not lost.
    ada.say(said["body"], id=said["id"])
    assert ada.wait_for("ack", id=said["id"])["seq"] == seq + 1
    assert bodies(history(running)) == ["a new start", "forget this"]


@pytest.mark.stages(2)
def test_clear_empties_a_stored_room(serve: Serve, tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'party.db'}"
    running = serve(PRESENTER_KEY=KEY, STORE=store)
    with running.join() as ada:
        kept(ada, "goodbye")
    running.kill()
    running.start()
    presenter = Presenter(running)
    (room,) = presenter.sees()["rooms"]
    assert room.items() > {**ROOM, "people": 0, "messages": 1}.items()
    presenter.does("clear", **ROOM)
    assert bodies(history(running)) == []


@pytest.mark.stages(3)
def test_clear_cancels_replies(talk: Talk, guests: Guests) -> None:
    chat, openai = talk.running, talk.stub
    openai.held = True
    ada, bob = guests(chat), guests(chat)
    kept(ada, *(f"question {number}" for number in range(9)))
    openai.next_request().step()
    old = hear_ai(bob, "streaming")["id"]
    Presenter(chat).does("clear", **ROOM)
    epoch = bob.wait_for("history", messages=[])["epoch"]
    openai.held = False
    said = bob.say("a new start", "Bob")
    bob.wait_for("ack", id=said["id"])
    heard = []
    while not heard or heard[-1].get("status"):
        frame = bob.next()
        assert frame["type"] == "update"
        heard.append(frame["message"])
    assert heard[-1]["body"] == "You said: a new start"
    assert old not in [message["id"] for message in heard]
    assert len(openai.exchanges) == 2
    told = history(chat)
    assert bodies(told) == ["a new start", "You said: a new start"]
    assert told["epoch"] == epoch
    prompt = [each["content"] for each in openai.exchanges[-1].body["messages"]]
    assert prompt[1:] == ["a new start"]


@pytest.mark.stages(3, 3)
def test_clear_drops_pending_keyed_frames(talk: Talk, guests: Guests) -> None:
    chat, openai = talk.running, talk.stub
    openai.delay = 0.001
    openai.reply = [f"{number} " for number in range(500)]
    ada = guests(chat)
    old: set[str] = set()
    for _ in range(3):
        ada.say("Count!")
        message = {"status": "thinking"}
        while message.get("status") != "streaming":
            message = ada.wait_for("update")["message"]
            assert message["id"] not in old
        old.add(message["id"])
        Presenter(chat).does("clear", **ROOM)
        ada.wait_for("history", messages=[])


def test_clear_keeps_a_message_that_has_just_come() -> None:
    done = []

    async def hook(name: str) -> None:
        done.append(f"{name} began")
        await asyncio.sleep(0)
        done.append(f"{name} ended")

    async def test() -> None:
        room = Room("chat", "1", PartyRegistry({}).context)
        room._run_hook(hook, "before")
        await asyncio.sleep(0)
        room._run_hook(hook, "after")
        room.cancel_hooks()
        await asyncio.wait(room._tasks)

    asyncio.run(test())
    assert done == ["before began", "after began", "after ended"]


# The AI is paused


@pytest.mark.stages(3)
def test_pause_interrupts_and_holds_replies(talk: Talk, guests: Guests) -> None:
    chat, openai = talk.running, talk.stub
    openai.held = True
    ada, bob = guests(chat), guests(chat)
    elsewhere = guests(chat, room="room-4")
    presenter = Presenter(chat)
    for guest in (ada, elsewhere):
        kept(guest, "Tell me all!")
        openai.next_request().step()
    assert hear_ai(ada, "streaming")["body"] == "You"
    assert hear_ai(elsewhere, "streaming")["body"] == "You"
    assert presenter.does("pause")["answers"] == "nobody"
    for guest in (ada, bob, elsewhere):
        (reply,) = ends(guest, 1, "interrupted")
        assert reply["body"] == "You"
    for exchange in openai.exchanges:
        assert not exchange.wait_until_over()
    paused = {"type": "presenter", "ai": "paused"}
    assert history(chat)["presenter"] == {"ai": "paused"}
    kept(bob, "And now?", user="Bob")
    presenter.does("hide_cursors")
    while (frame := bob.next()) != paused | {"cursors": "hidden"}:
        assert frame.get("message", {}).get("status") != "thinking"
    assert len(openai.exchanges) == 2
    openai.held = False
    assert presenter.does("resume")["answers"] == "everybody"
    (reply,) = ends(bob, 1)
    assert reply["body"] == "You said: Bob: And now?"
    assert "You" not in [
        each["content"] for each in openai.exchanges[-1].body["messages"]
    ]


@pytest.mark.stages(3)
def test_pause_queues_five_of_many_questions(
    talk: Talk, guests: Guests
) -> None:
    """Nobody's message waits, and six replies are all that comes."""
    chat, openai = talk.running, talk.stub
    openai.held = True
    presenter = Presenter(chat)
    for room, paused in (
        ("hello-world", "never"),
        ("party-chat", "before"),
        ("room-4", "in the middle"),
    ):
        openai.held = True
        if paused == "before":
            presenter.does("pause")
        people = [guests(chat, room=room) for _ in range(10)]
        asked = [
            (each, each.say(f"question {number}", f"Guest {number % 10}"))
            for number, each in enumerate(people * 3)
        ]
        begun = paused != "before" and openai.next_request()
        if begun and paused == "in the middle":
            presenter.does("pause")
        for guest, question in asked:
            guest.wait_for("ack", id=question["id"])
        newcomer = guests(chat, room=room)
        openai.held = False
        if begun and paused == "never":
            begun.release()
        presenter.does("resume")
        ends(newcomer, 6 if paused == "never" else 5)
        # The next request is sent after all others.
        kept(newcomer, "Anything else?")
        ends(newcomer, 1)
        told = history(chat, room=room)["messages"]
        replies = [each for each in told if each["role"] == "assistant"]
        assert len(told) == 31 + len(replies)
        statuses = [each.get("status") for each in replies]
        if paused == "in the middle":
            assert statuses.pop(0) == "interrupted"
        assert statuses == [None] * (7 if paused == "never" else 6)
        for _ in range(len(replies) - bool(begun)):
            openai.next_request()


@pytest.mark.stages(3, 3)
def test_pause_and_clear_work_together(talk: Talk, guests: Guests) -> None:
    chat, openai = talk.running, talk.stub
    presenter = Presenter(chat)
    presenter.does("pause")
    ada = guests(chat)
    kept(ada, *(f"question {number}" for number in range(9)))
    presenter.does("clear", **ROOM)
    kept(ada, "a new start")
    presenter.does("resume")
    assert ends(ada, 1)[0]["body"] == "You said: a new start"
    assert len(openai.exchanges) == 1


@pytest.mark.stages(3, 3)
def test_pause_interrupts_a_reply_that_is_about_to_begin(
    serve: Serve, openai: OpenAIStub, guests: Guests
) -> None:
    openai.held = True
    running = serve(**openai.settings, PRESENTER_KEY=KEY, SHOULD_REPLY="1")
    openai.reply = ["YES"]
    ada = guests(running)
    kept(ada, "Hello, AI!")
    judged = openai.next_request()
    Presenter(running).does("pause")
    judged.release()
    ends(ada, 1, "interrupted")


@pytest.mark.stages(3, 3)
def test_pause_does_not_delay_shutdown(
    serve: Serve, openai: OpenAIStub, guests: Guests
) -> None:
    chat = serve(**openai.settings, PRESENTER_KEY=KEY)
    Presenter(chat).does("pause")
    ada = guests(chat)
    kept(ada, *(f"question {number}" for number in range(9)))
    assert chat.stop() == 0
    assert ada.closed()[0] == 1012
