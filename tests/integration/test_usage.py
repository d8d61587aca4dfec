"""Token usage: one live tally for the whole app (stage 4 and later)."""

import asyncio
import importlib
import json
import math
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message
from websockets.exceptions import InvalidStatus

from shared.ai.context import AppContext
from shared.party import Connection, Frame, Server
from shared.party.fetch import FetchResponse
from shared.party.registry import PartyRegistry

from ..support.conversation import Talk, ask, hear_ai
from ..support.presenter import Presenter
from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.stubs import Exchange, Fault, OpenAIStub

pytestmark = pytest.mark.stages(4)

Serve = Callable[..., ServerProcess]

TOTAL = "/parties/usage/total"
FORGED = {
    "x_party_caller": "true",
    "party.caller": "true",
    "party_caller": "chatroom/hello-world",
    "x_forwarded_for": "127.0.0.1",
    "x_forwarded_host": "party",
    "authorization": "Bearer party",
    "origin": "http://party",
    "host": "localhost",
}


@pytest.fixture(scope="module")
def quiet(stage: Stage) -> Iterator[ServerProcess]:
    """A server in which nobody ever uses a token."""
    with start(stage) as running:
        yield running


def tally(guest: WebSocketClient) -> int:
    """The next tally that a watcher is told."""
    frame = guest.next()
    assert list(frame) == ["tally"]
    assert type(frame["tally"]) is int
    return int(frame["tally"])


def counted(guest: WebSocketClient, number: int) -> list[int]:
    """Wait until a watcher is told that number; returns all on the way."""
    seen = [tally(guest)]
    while seen[-1] < number:
        seen.append(tally(guest))
    assert seen[-1] == number
    return seen


def took(exchange: Exchange) -> int:
    """The tokens that a stub reported for a reply."""
    assert exchange.wait_until_over()
    return sum(exchange.usage())


# Counting


@pytest.mark.stages(2, 3)
def test_usage_is_missing_in_earlier_stages(quiet: ServerProcess) -> None:
    assert_missing(quiet, "total")


def assert_missing(running: ServerProcess, room: str) -> None:
    """See that there is no such room of the usage party."""
    path = f"/parties/usage/{room}"
    assert running.get(path).status == 404
    assert running.ask("POST", path, {"usage": 1}).status == 404
    with pytest.raises(InvalidStatus) as refused, running.join(room, "usage"):
        pass
    assert refused.value.response.status_code == 404


@pytest.mark.behaviour("A newcomer is told the tally, by socket and by HTTP")
def test_usage_is_sent_to_newcomers(quiet: ServerProcess) -> None:
    for party in ("usage", "Usage", "USAGE"):
        with quiet.join("total", party) as ada:
            assert ada.socket.recv(timeout=5) == '{"tally":0}'
        answer = quiet.get(f"/parties/{party}/total")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"tally": 0}


@pytest.mark.each_provider
@pytest.mark.behaviour("What each reply took is added up, for everybody")
def test_usage_adds_up_every_reply(talk: Talk) -> None:
    """In several rooms, with several watchers, of whom one comes late."""
    with (
        talk.join("total", "usage") as one,
        talk.join("total", "usage") as two,
    ):
        sum = tally(one)
        assert tally(two) == sum
        for room in ["hello-world", "party-chat", "hello-world"]:
            with talk.join(room) as ada:
                ask(ada, f"How much is a word in {room}?")
            sum += took(talk.stub.next_request())
            assert counted(one, sum) == counted(two, sum) == [sum]
            assert talk.running.get(TOTAL).json() == {"tally": sum}
        with talk.join("total", "usage") as late:
            assert tally(late) == sum
    assert len(talk.stub.exchanges) == 3
    # And once nobody watches any more.
    with talk.join("total", "usage") as again:
        assert tally(again) == sum


def test_usage_is_stored_and_shared(
    serve: Serve, openai: OpenAIStub, tmp_path: Path
) -> None:
    """Beyond the entries in memory, and by the processes of one store."""
    settings = {
        **openai.settings,
        "STORE": f"sqlite:{tmp_path / 'party.db'}",
        "HISTORY_LIMIT": "2",
    }
    running = serve(**settings)
    sum = 0
    with running.join() as ada, running.join("total", "usage") as watcher:
        for number in range(4):
            ask(ada, f"How much is question {number}?")
            sum += took(openai.next_request())
        assert counted(watcher, sum)[-1] == sum
    other = serve(**settings)
    with (
        running.join("total", "usage") as watcher,
        other.join("total", "usage") as elsewhere,
        other.join() as bob,
    ):
        assert tally(watcher) == tally(elsewhere) == sum
        ask(bob, "Is that still counted?")
        sum += took(openai.next_request())
        assert counted(elsewhere, sum) == [sum]


@pytest.mark.behaviour("Replies are counted while nobody watches")
def test_usage_counts_without_watchers(talk: Talk) -> None:
    sum = talk.running.get(TOTAL).json()["tally"]
    with talk.join() as ada:
        for question in ("Is anybody counting?", "Still?"):
            ask(ada, question)
            sum += took(talk.stub.next_request())
    with talk.join("total", "usage") as watcher:
        if (known := tally(watcher)) != sum:  # the last report comes after
            assert known < sum
            counted(watcher, sum)


@pytest.mark.behaviour("Many rooms that report at once lose nothing")
def test_usage_counts_simultaneous_reports(talk: Talk) -> None:
    talk.stub.held = True
    rooms = ["hello-world", "party-chat", "on-page-help", "room-4"]
    with talk.join("total", "usage") as watcher:
        before = tally(watcher)
        for room in rooms:
            with talk.join(room) as ada:
                ada.wait_for("ack", id=ada.say("all at once")["id"])
        exchanges = [talk.stub.next_request() for _ in rooms]
        for exchange in exchanges:
            exchange.release()
        sum_of_all = sum(took(each) for each in exchanges)
        seen = counted(watcher, before + sum_of_all)
        assert seen == sorted(set(seen))


def about(exchange: Exchange, said: str) -> int:
    """The tokens that are estimated for a prompt and a text: 4 bytes each."""
    prompt = [each["content"] for each in exchange.body["messages"]]
    return math.ceil(len("".join([*prompt, said]).encode()) / 4)


@pytest.mark.each_provider
@pytest.mark.behaviour("A reply that fails is counted as far as it came")
@pytest.mark.parametrize(
    ("fault", "said"),
    [("cut", "You said:"), ("ends_early", "You"), ("429", "")],
)
def test_usage_counts_failed_replies(
    talk: Talk, fault: Fault, said: str
) -> None:
    """One that never began took nothing, and the next one is counted."""
    stub = talk.stub
    stub.fault, stub.after = fault, len(said.split())
    with talk.join("total", "usage") as watcher, talk.join() as ada:
        sum = tally(watcher)
        assert ask(ada, "will it work?")["status"] == "failed"
        exchange = stub.next_request()
        sum += about(exchange, said) if said else 0
        assert counted(watcher, sum) == [sum]
        stub.fault = None
        assert "status" not in ask(ada, "and now?")
        sum += took(stub.next_request())
        assert counted(watcher, sum) == [sum]


@pytest.mark.behaviour("A reply that the presenter ends is counted, too")
def test_usage_counts_paused_replies(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join("total", "usage") as watcher, talk.join() as ada:
        before = tally(watcher)
        ada.say("Tell me all!")
        exchange = talk.stub.next_request()
        exchange.step()
        ada.hear("You")
        Presenter(talk.running).does("pause")
        assert tally(watcher) - before == about(exchange, "You")


def test_usage_counts_interrupted_replies(
    serve: Serve, openai: OpenAIStub
) -> None:
    openai.held = True
    running = serve(**openai.settings, GRACEFUL_TIMEOUT="0.2")
    with running.join("total", "usage") as watcher, running.join() as ada:
        assert tally(watcher) == 0
        ada.say("Tell me all!")
        exchange = openai.next_request()
        exchange.step(2)
        ada.hear("You said:")
        running.process.send_signal(signal.SIGTERM)
        assert tally(watcher) == about(exchange, "You said:")
        assert hear_ai(ada, "interrupted")
    assert running.process.wait(PATIENCE) == 0


def test_reply_does_not_wait_for_its_report(stage: Stage) -> None:
    package = stage.folder.name
    chat_room = importlib.import_module(f"{package}.party.chat_room")
    told: list[str] = []

    async def stream(prompt: Any) -> AsyncIterator[tuple[str, int]]:
        yield "Four.", 42

    class Slow(Server):
        """Takes a report, and its time."""

        async def on_request(self, request: Request) -> Response:
            told.append(str(await request.json()))
            released.set()
            await asyncio.Event().wait()
            raise AssertionError

    class Asker(Connection):
        """Remembers what it is told."""

        def __init__(self) -> None:
            self.id = "ada"

        def _enqueue(self, frame: Frame, key: Any = None) -> None:
            message = json.loads(frame)["message"]
            told.append(f"{message['body']} {message.get('status')}")

    async def ask() -> None:
        context = AppContext()
        context.model.kind = "openai"
        parties = PartyRegistry(
            {"chatroom": chat_room.ChatRoom, "usage": Slow}, context=context
        )
        async with parties.enter("chatroom", "room-4") as server:
            server.room._join(Asker())
            question = chat_room.Message(
                id="1", user="Ada", body="Two and two?", role="user"
            )
            await server.messages.append(question)  # type: ignore[attr-defined]
            reply = asyncio.create_task(server.reply_with_ai(question))  # type: ignore[attr-defined]
            await asyncio.wait_for(released.wait(), 10)
            server.room._flush_pending()
            reply.cancel()

    released = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat_room, "stream_reply", stream)
        asyncio.run(ask())
    assert told == ["Thinking… thinking", "Four. None", "{'usage': 42}"]


# Permissions


@pytest.mark.behaviour("Only parties may report")
def test_usage_accepts_reports_of_parties_only(quiet: ServerProcess) -> None:
    plain = quiet.ask("POST", TOTAL, {"usage": 5})
    assert plain.status == 403
    assert plain.json() == {
        "error": "Only parties of this app may report usage."
    }
    for name, value in FORGED.items():
        forged = quiet.ask("POST", TOTAL, {"usage": 5}, **{name: value})
        assert forged.status == 403, name
    for body in [None, {}, "5", {"usage": -3}, {"usage": "x" * 10_000}]:
        assert quiet.ask("POST", TOTAL, body).status == 403
    twice = quiet.ask("POST", "/parties/USAGE/total?party.caller=true", {})
    assert twice.status == 403
    assert quiet.get(TOTAL).json() == {"tally": 0}


@pytest.mark.behaviour("Another method than GET and POST is not allowed")
def test_usage_refuses_other_methods(quiet: ServerProcess) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = quiet.ask(method, TOTAL, {"usage": 5})
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, POST"
        assert "GET and POST" in answer.json()["error"]
    assert quiet.get(TOTAL).json() == {"tally": 0}


def test_usage_ignores_frames(quiet: ServerProcess) -> None:
    with quiet.join("total", "usage") as ada:
        assert tally(ada) == 0
        for frame in [{"usage": 5}, {"tally": 5}, "5", b"\x05"]:
            ada.send(frame)
        with quiet.join("total", "usage") as bob:
            assert tally(bob) == 0
        with pytest.raises(TimeoutError):
            ada.socket.recv(timeout=0.2)


def test_usage_has_one_room(quiet: ServerProcess) -> None:
    for room in ("Total", "TOTAL", "total%2F", "tota", "hello-world"):
        assert_missing(quiet, room)


# Validation


def party_of(stage: Stage) -> type[Server]:
    """The stage's own class."""
    module = importlib.import_module(f"{stage.folder.name}.party.usage")
    party: type[Server] = module.Usage
    return party


def report(stage: Stage, *bodies: Any) -> list[FetchResponse]:
    """Return the party's answers to reports of another party, in order."""

    async def ask() -> list[FetchResponse]:
        total = PartyRegistry({"usage": party_of(stage)})["usage"].get("total")
        posts = [await total.fetch("POST", body) for body in bodies]
        return [*posts, await total.fetch()]

    return asyncio.run(ask())


def test_usage_answers_reports_with_the_tally(stage: Stage) -> None:
    one, two, three, got = report(
        stage, {"usage": 0}, {"usage": 741}, {"usage": 10_000_000}
    )
    assert [each.status_code for each in (one, two, three, got)] == [200] * 4
    assert one.json() == {"tally": 0}
    assert two.json() == {"tally": 741}
    assert three.json() == got.json() == {"tally": 10_000_741}


def test_usage_refuses_malformed_reports(stage: Stage) -> None:
    malformed: list[Any] = [
        *({"usage": usage} for usage in (-3, -1, 0.5, 5.0, "5", "", True)),
        *({"usage": usage} for usage in (10_000_001, 10**30, 1e308, None)),
        *({"usage": usage} for usage in ([], [5], {}, {"usage": 5})),
        *({"usage": float(usage)} for usage in ("nan", "inf", "-inf")),
        *({}, {"Usage": 5}, {"tokens": 5}, [], [5], 5, "5", None, True),
    ]
    good, *bad, got = report(stage, {"usage": 7}, *malformed)
    assert good.ok
    told = {"error": "Usage is a whole number from 0 to 10,000,000."}
    for body, answer in zip(malformed, bad, strict=True):
        assert (answer.status_code, answer.json()) == (422, told), body
    assert got.json() == {"tally": 7}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"usage=5", b'{"usage": 5', b'{"usage": 5}x', b"\xff"),
        *(b"\0" * 9, b'{"usage": NaN}', b'{"usage": 5,}', b"[" * 50_000),
        b'{"usage": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_usage_refuses_malformed_json(stage: Stage, raw: bytes) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": raw}

    async def ask() -> tuple[Response, FetchResponse]:
        parties = PartyRegistry({"usage": party_of(stage)})
        scope = {
            "type": "http",
            "method": "POST",
            "path": TOTAL,
            "headers": [],
            "query_string": b"",
            "party.caller": True,
        }
        request = Request(scope, receive)
        refused = await parties.respond("usage", "total", request)
        return refused, await parties["usage"].get("total").fetch()

    refused, got = asyncio.run(ask())
    assert refused.status_code == 422
    assert b"whole number" in refused.body
    assert got.json() == {"tally": 0}


def test_usage_refuses_other_rooms_and_methods(
    stage: Stage,
) -> None:
    async def ask() -> tuple[FetchResponse, FetchResponse]:
        usage = PartyRegistry({"usage": party_of(stage)})["USAGE"]
        elsewhere = await usage.get("elsewhere").fetch("POST", {"usage": 1})
        return elsewhere, await usage.get("total").fetch("PUT", {"usage": 1})

    elsewhere, put = asyncio.run(ask())
    assert elsewhere.status_code == 404
    assert put.status_code == 405
    assert put.headers["allow"] == "GET, POST"
