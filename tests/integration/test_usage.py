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
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message
from websockets.exceptions import InvalidStatus

from shared.ai import model
from shared.ai.context import AppContext
from shared.party import Connection, Frame, Server
from shared.party.fetch import FetchResponse
from shared.party.registry import PartyRegistry

from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.stubs import Exchange, Fault, OllamaStub, OpenAIStub
from ..support.stubs import serve as serve_app

pytestmark = pytest.mark.stages(4)

Serve = Callable[..., ServerProcess]
Stub = OpenAIStub | OllamaStub

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


def using(stub: Stub) -> dict[str, str]:
    """The settings with which a stub answers."""
    if isinstance(stub, OllamaStub):
        return {"AI": "ollama", "OLLAMA_HOST": stub.url}
    url, key = stub.base_url, "sk-test"
    return {"AI": "openai", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": key}


@pytest.fixture(params=["openai", "ollama"])
def stub(request: pytest.FixtureRequest) -> Iterator[Stub]:
    with {"openai": OpenAIStub, "ollama": OllamaStub}[request.param]() as stub:
        yield stub


@pytest.fixture
def openai() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


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


def end_of_reply(guest: WebSocketClient) -> dict[str, Any]:
    """Wait until a reply has ended, in any way; returns it."""
    message: dict[str, Any] = guest.until(
        'an update with role "assistant", finished or failed,',
        lambda frame: (
            frame["type"] == "update"
            and frame["message"]["role"] == "assistant"
            and frame["message"].get("status") in (None, "failed")
        ),
    )["message"]
    return message


# Counting


@pytest.mark.stages(2, 3)
def test_the_stages_before_have_no_usage_party(quiet: ServerProcess) -> None:
    assert quiet.get(TOTAL).status == 404
    assert quiet.ask("POST", TOTAL, {"usage": 1}).status == 404
    with pytest.raises(InvalidStatus) as refused, quiet.join("total", "usage"):
        pass
    assert refused.value.response.status_code == 404


@pytest.mark.behaviour("A newcomer is told the tally, by socket and by HTTP")
@pytest.mark.parametrize("party", ["usage", "Usage", "USAGE"])
def test_a_newcomer_is_told_the_tally(quiet: ServerProcess, party: str) -> None:
    with quiet.join("total", party) as ada:
        assert ada.socket.recv(timeout=5) == '{"tally":0}'
    answer = quiet.get(f"/parties/{party}/total")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"tally": 0}


@pytest.mark.behaviour("What each reply took is added up, for everybody")
def test_what_each_reply_took_is_added_up_for_everybody(
    serve: Serve, stub: Stub
) -> None:
    """In several rooms, with several watchers, of whom one comes late."""
    running = serve(**using(stub))
    with (
        running.join("total", "usage") as one,
        running.join("total", "usage") as two,
    ):
        assert tally(one) == tally(two) == 0
        sum = 0
        for room in ["hello-world", "party-chat", "hello-world"]:
            with running.join(room) as ada:
                ada.say(f"How much is a word in {room}?")
                end_of_reply(ada)
            sum += took(stub.next_request())
            assert counted(one, sum) == counted(two, sum) == [sum]
            assert running.get(TOTAL).json() == {"tally": sum}
        with running.join("total", "usage") as late:
            assert tally(late) == sum
    assert len(stub.exchanges) == 3
    # And once nobody watches any more.
    with running.join("total", "usage") as again:
        assert tally(again) == sum


def test_the_tally_outlives_the_process_and_what_it_has_at_hand(
    serve: Serve, openai: OpenAIStub, tmp_path: Path
) -> None:
    settings = {
        **using(openai),
        "STORE": f"sqlite:{tmp_path / 'party.db'}",
        "HISTORY_LIMIT": "2",
    }
    running = serve(**settings)
    sum = 0
    with running.join() as ada, running.join("total", "usage") as watcher:
        for number in range(4):
            ada.say(f"How much is question {number}?")
            end_of_reply(ada)
            sum += took(openai.next_request())
        assert counted(watcher, sum)[-1] == sum
    other = serve(**settings)
    with (
        running.join("total", "usage") as watcher,
        other.join("total", "usage") as elsewhere,
        other.join() as bob,
    ):
        assert tally(watcher) == tally(elsewhere) == sum
        bob.say("Is that still counted?")
        end_of_reply(bob)
        sum += took(openai.next_request())
        assert counted(elsewhere, sum) == [sum]


@pytest.mark.behaviour("Replies are counted while nobody watches")
def test_replies_are_counted_while_nobody_watches(
    serve: Serve, stub: Stub
) -> None:
    running = serve(**using(stub))
    with running.join() as ada:
        ada.say("Is anybody counting?")
        end_of_reply(ada)
        sum = took(stub.next_request())
        ada.say("Still?")
        end_of_reply(ada)
        sum += took(stub.next_request())
    with running.join("total", "usage") as watcher:
        if (known := tally(watcher)) != sum:  # the last report comes after
            assert known < sum
            counted(watcher, sum)


@pytest.mark.behaviour("Many rooms that report at once lose nothing")
def test_many_rooms_that_report_at_once_lose_nothing(
    serve: Serve, openai: OpenAIStub
) -> None:
    openai.held = True
    rooms = ["hello-world", "party-chat", "on-page-help", "room-4"]
    running = serve(**using(openai))
    with running.join("total", "usage") as watcher:
        assert tally(watcher) == 0
        for room in rooms:
            with running.join(room) as ada:
                ada.say("all at once", id="1")
                ada.wait_for("ack", id="1")
        exchanges = [openai.next_request() for _ in rooms]
        for exchange in exchanges:
            exchange.release()
        seen = counted(watcher, sum(took(each) for each in exchanges))
        assert seen == sorted(set(seen))


def about(exchange: Exchange, said: str) -> int:
    """The tokens that are estimated for a prompt and a text: 4 bytes each."""
    prompt = [each["content"] for each in exchange.body["messages"]]
    return math.ceil(len("".join([*prompt, said]).encode()) / 4)


@pytest.mark.behaviour("A reply that fails is counted as far as it came")
@pytest.mark.parametrize(
    ("fault", "said"),
    [("cut", "You said:"), ("ends_early", "You"), ("429", "")],
)
def test_a_reply_that_fails_is_counted_as_far_as_it_came(
    serve: Serve, stub: Stub, fault: Fault, said: str
) -> None:
    """One that never began took nothing, and the next one is counted."""
    stub.fault, stub.after = fault, len(said.split())
    running = serve(**using(stub))
    with running.join("total", "usage") as watcher, running.join() as ada:
        assert tally(watcher) == 0
        ada.say("will it work?")
        assert end_of_reply(ada)["status"] == "failed"
        exchange = stub.next_request()
        sum = about(exchange, said) if said else 0
        assert counted(watcher, sum) == [sum]
        stub.fault = None
        ada.say("and now?")
        assert "status" not in end_of_reply(ada)
        sum += took(stub.next_request())
        assert counted(watcher, sum) == [sum]


@pytest.mark.behaviour("A reply that the presenter ends is counted, too")
def test_a_reply_that_is_paused_is_counted_as_far_as_it_came(
    serve: Serve, stub: Stub
) -> None:
    stub.held = True
    running = serve(**using(stub), PRESENTER_KEY="a-key-of-16-letters")
    with running.join("total", "usage") as watcher, running.join() as ada:
        assert tally(watcher) == 0
        ada.say("Tell me all!")
        exchange = stub.next_request()
        exchange.step()
        ada.hear("You")
        key = {"Authorization": "Bearer a-key-of-16-letters"}
        running.ask("POST", "/presenter", {"action": "pause"}, **key)
        assert tally(watcher) == about(exchange, "You")


def test_a_reply_that_the_servers_end_cuts_is_counted_as_far_as_it_came(
    serve: Serve, openai: OpenAIStub
) -> None:
    openai.held = True
    running = serve(**using(openai), GRACEFUL_TIMEOUT="0.2")
    with running.join("total", "usage") as watcher, running.join() as ada:
        assert tally(watcher) == 0
        ada.say("Tell me all!")
        exchange = openai.next_request()
        exchange.step(2)
        ada.hear("You said:")
        running.process.send_signal(signal.SIGTERM)
        assert tally(watcher) == about(exchange, "You said:")
        assert ada.until(
            "the end of the reply",
            lambda frame: frame["message"]["status"] == "interrupted",
        )
    assert running.process.wait(PATIENCE) == 0


async def spendthrift(request: Request) -> Response:
    """Report tokens all the time, and break off, as some servers do."""

    async def stream() -> AsyncIterator[str]:
        head = {"id": "1", "object": "chat.completion.chunk", "model": "x"}
        for number in range(1, 4):
            delta = {"content": f"{number} "}
            tokens = {"prompt_tokens": 9, "completion_tokens": number}
            chunk = {
                **head,
                "created": 1,
                "choices": [{"index": 0, "delta": delta}],
                "usage": {**tokens, "total_tokens": 9 + number},
            }
            yield f"data: {json.dumps(chunk)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@pytest.mark.behaviour("A reply that is cut is counted as far as it went")
def test_a_reply_that_is_cut_is_counted_as_far_as_it_was_reported(
    serve: Serve,
) -> None:
    paths = ["/v1/chat/completions"]
    routes = [Route(path, spendthrift, methods=["POST"]) for path in paths]
    with serve_app(Starlette(routes=routes)) as port:
        running = serve(
            AI="openai",
            OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1",
            OPENAI_API_KEY="sk-test",
        )
        with running.join("total", "usage") as watcher, running.join() as ada:
            assert tally(watcher) == 0
            ada.say("count!")
            assert end_of_reply(ada)["status"] == "failed"
            assert tally(watcher) == 12
            ada.say("again!")
            assert end_of_reply(ada)["status"] == "failed"
            assert tally(watcher) == 24


def test_a_reply_is_not_held_back_by_its_report(stage: Stage) -> None:
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
        parties = PartyRegistry(
            {"chatroom": chat_room.ChatRoom, "usage": Slow},
            context=AppContext(),
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
        patch.setattr(model, "kind", "openai")
        asyncio.run(ask())
    assert told == ["Thinking… thinking", "Four. None", "{'usage': 42}"]


# Permissions


@pytest.mark.behaviour("Only parties may report")
def test_only_parties_may_report(quiet: ServerProcess) -> None:
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
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_not_allowed(
    quiet: ServerProcess, method: str
) -> None:
    answer = quiet.ask(method, TOTAL, {"usage": 5})
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    assert "GET and POST" in answer.json()["error"]
    assert quiet.get(TOTAL).json() == {"tally": 0}


def test_what_a_watcher_sends_changes_nothing(quiet: ServerProcess) -> None:
    with quiet.join("total", "usage") as ada:
        assert tally(ada) == 0
        for frame in [{"usage": 5}, {"tally": 5}, "5", b"\x05"]:
            ada.send(frame)
        with quiet.join("total", "usage") as bob:
            assert tally(bob) == 0
        with pytest.raises(TimeoutError):
            ada.socket.recv(timeout=0.2)


@pytest.mark.parametrize(
    "room", ["Total", "TOTAL", "total%2F", "tota", "hello-world", "%20total"]
)
def test_there_is_no_other_room(quiet: ServerProcess, room: str) -> None:
    path = f"/parties/usage/{room}"
    assert quiet.get(path).status == 404
    assert quiet.ask("POST", path, {"usage": 1}).status == 404
    with pytest.raises(InvalidStatus) as refused, quiet.join(room, "usage"):
        pass
    assert refused.value.response.status_code == 404


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


def test_a_report_is_answered_with_the_tally(stage: Stage) -> None:
    one, two, three, got = report(
        stage, {"usage": 0}, {"usage": 741}, {"usage": 10_000_000}
    )
    assert [each.status_code for each in (one, two, three, got)] == [200] * 4
    assert one.json() == {"tally": 0}
    assert two.json() == {"tally": 741}
    assert three.json() == got.json() == {"tally": 10_000_741}


@pytest.mark.parametrize(
    "body",
    [
        *({"usage": usage} for usage in (-3, -1, 0.5, 5.0, "5", "", True)),
        *({"usage": usage} for usage in (10_000_001, 10**30, 1e308, None)),
        *({"usage": usage} for usage in ([], [5], {}, {"usage": 5})),
        *({"usage": float(usage)} for usage in ("nan", "inf", "-inf")),
        *({}, {"Usage": 5}, {"tokens": 5}, [], [5], 5, "5", None, True),
    ],
    ids=repr,
)
def test_what_is_no_report_is_refused_with_a_reason(
    stage: Stage, body: Any
) -> None:
    good, bad, got = report(stage, {"usage": 7}, body)
    assert good.ok
    assert bad.status_code == 422
    assert bad.json() == {
        "error": "Usage is a whole number from 0 to 10,000,000."
    }
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
def test_what_is_not_json_is_refused_too(stage: Stage, raw: bytes) -> None:
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


def test_a_party_that_asks_for_another_room_or_method_is_told(
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
