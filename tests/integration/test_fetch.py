"""fetch: HTTP requests between parties, without a network."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    Response,
    StreamingResponse,
)

from shared.party import Connection, Frame, MessageRejected, Server
from shared.party.fetch import FetchResponse, is_internal
from shared.party.registry import PartyRegistry

from ..support.party_server import serve_parties


class Mirror(Server):
    """Echoes a request, or answers with the error that it names."""

    async def on_request(self, request: Request) -> Response:
        match self.room.id:
            case "teapot":
                raise HTTPException(418, "I am a teapot.", {"X-Pot": "tea"})
            case "refusing":
                raise MessageRejected("Not like that.")
            case "broken":
                raise RuntimeError("broken")
            case "mute":
                return None  # type: ignore[return-value]
            case "stream":
                return StreamingResponse(letters())
        body = await request.body()
        return JSONResponse(
            {
                "room": self.room.id,
                "method": request.method,
                "path": request.scope["raw_path"].decode(),
                "body": body.decode(),
                "is_internal": is_internal(request),
            },
            headers={"X-Mirror": "yes"},
        )


def letters() -> Iterator[str]:
    yield from "abc"


def fetch(room: str, *arguments: Any, **options: Any) -> FetchResponse:
    """Fetch from a room of `Mirror`, in a new event loop."""

    async def ask() -> FetchResponse:
        address = PartyRegistry({"Mirror": Mirror})["mirror"].get(room)
        return await asyncio.wait_for(address.fetch(*arguments, **options), 10)

    return asyncio.run(ask())


def test_fetch_makes_a_request_like_any_other() -> None:
    reply = fetch("a/b é", "post", json={"usage": 42})
    assert (reply.status_code, reply.ok) == (200, True)
    assert reply.headers["x-mirror"] == "yes"
    asked = reply.json()
    assert json.loads(asked.pop("body")) == {"usage": 42}
    assert asked == {
        "room": "a/b é",
        "method": "POST",
        "path": "/parties/mirror/a%2Fb%20%C3%A9",
        "is_internal": True,
    }


def test_fetch_gets_without_a_body_by_default() -> None:
    asked = fetch("1").json()
    assert (asked["method"], asked["body"]) == ("GET", "")
    assert fetch("1", json=0).json()["body"] == "0"


@pytest.mark.parametrize(
    ("room", "status", "error"),
    [
        ("teapot", 418, "I am a teapot."),
        ("refusing", 422, "Not like that."),
        ("broken", 500, "Something went wrong in here."),
        ("mute", 500, "Something went wrong in here."),
    ],
)
def test_fetch_returns_the_status_of_a_failed_request(
    room: str, status: int, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = fetch(room)
    assert (reply.status_code, reply.ok) == (status, False)
    assert reply.json() == {"error": error}
    logged = f"mirror/{room}: on_request failed" in caplog.messages
    assert logged == (status == 500)


def test_fetch_collects_a_streamed_response() -> None:
    assert fetch("stream").body == b"abc"


def test_fetch_of_an_unknown_room_is_a_404() -> None:
    class Listed(Server):
        rooms = ("total",)

    async def ask() -> list[int]:
        listed = PartyRegistry({"listed": Listed})["listed"]
        replies = [await listed.get(id).fetch() for id in ("total", "other")]
        return [reply.status_code for reply in replies]

    # "total" is there, and answers no requests.
    assert asyncio.run(ask()) == [404, 404]


def test_fetch_of_an_unknown_party_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="There is no party 'nobody'"):
        PartyRegistry({"mirror": Mirror})["nobody"]


def test_clients_cannot_make_an_internal_request() -> None:
    claims = {
        "party.caller": "1",
        "party-caller": "1",
        "host": "127.0.0.1",
        "forwarded": "host=party",
        "x-forwarded-host": "party",
    }
    with serve_parties(mirror=Mirror) as server:
        path = "/parties/mirror/1?party.caller=1"
        answer = server.ask("POST", path, {"party.caller": True}, **claims)
        assert answer.json()["is_internal"] is False


def test_fetch_in_a_hook_does_not_block_the_room() -> None:
    class Counter(Server):
        async def on_start(self) -> None:
            self.total = 0

        async def on_request(self, request: Request) -> Response:
            self.total += (await request.json())["add"]
            self.room.broadcast({"total": self.total})
            return JSONResponse(self.total)

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            counter = self.room.parties["counter"].get("total")
            reply = await counter.fetch("POST", json={"add": int(message)})
            sender.send({"reply": reply.json()})

    with (
        serve_parties(chat=Chat, counter=Counter) as server,
        server.join("total", "counter") as watcher,
        server.join("1", "chat") as ada,
        server.join("2", "chat") as bob,
    ):
        ada.send("40")
        assert ada.next() == {"reply": 40}
        bob.send("2")
        assert bob.next() == {"reply": 42}
        assert [watcher.next(), watcher.next()] == [
            {"total": 40},
            {"total": 42},
        ]
