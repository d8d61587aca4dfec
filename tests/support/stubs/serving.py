"""The base of the stubs: a server in a thread, replies that a test steers."""

import asyncio
import json
import os
import queue
import re
import socket
import threading
from collections.abc import (
    AsyncIterator,
    Callable,
    Generator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

Json = dict[str, Any]

Fault = Literal[
    "400",  # the prompt is too long
    "401",  # the key is wrong
    "404",  # no such model
    "429",  # too many requests
    "quota",  # a 429 too: the account has no money left
    "500",  # it crashed
    "503",  # it is too busy
    "hang",  # it takes the request and says nothing, not even a status line
    "hang_in_the_middle",  # silence after `after` pieces
    "cut",  # the connection closes after `after` pieces
    "ends_early",  # in good order, but unfinished, after `after` pieces
    "error",  # an error object takes the place of the rest
    "garbage",  # something that is no JSON takes the place of the rest
    "html",  # status 200 and a web page: the hotel's Wi-Fi wants a password
]

SHORTENED: frozenset[Fault] = frozenset(
    ("cut", "ends_early", "error", "garbage", "hang_in_the_middle")
)
PATIENCE = float(os.environ.get("PATIENCE", "10"))


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets a handler reach its connection, to cut it."""

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """A uvicorn that says when it is ready, and stops at once."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
            )
        )
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        await self._stopped.wait()

    async def shutdown(
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it, from another thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)


@contextmanager
def serve(app: ASGIApp) -> Generator[int]:
    """Serve an app on a free loopback port, from a thread; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(app)
    thread = threading.Thread(
        target=server.run, args=([listener],), name="stub", daemon=True
    )
    thread.start()
    assert server.ready.wait(PATIENCE), "the stub did not start"
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the stub did not stop"


class Exchange:
    """A request to a stub, to be read, and its reply, to be steered."""

    def __init__(self, stub: "Stub", request: Request, body: Json) -> None:
        self.body = body
        self.headers = dict(request.headers)
        self.fault: Fault | None = stub.fault
        self.complete = False
        self.reports_usage = stub.reports_usage
        answer = stub.reply(body) if callable(stub.reply) else stub.reply
        if isinstance(answer, str):
            answer = re.findall(r"\s*\S+|\s+$", answer)
        self.said = answer[: stub.after if self.fault in SHORTENED else None]
        self._delay = stub.delay
        self._held = stub.held
        self._turns = asyncio.Semaphore(0)
        self._loop = asyncio.get_running_loop()
        self._over = threading.Event()
        self._transport: asyncio.Transport = request.state.transport

    def __repr__(self) -> str:
        return f"<Exchange {self.last_message()!r} fault={self.fault}>"

    def last_message(self) -> str:
        """The text of the prompt's last message."""
        return last_message(self.body)

    def step(self, pieces: int = 1) -> None:
        """Let a held reply say that many pieces more; its end counts as one."""
        for _ in range(pieces):
            self._loop.call_soon_threadsafe(self._turns.release)

    def release(self) -> None:
        """Let a held reply run to its end."""
        self._held = False
        self.step()

    def wait_until_over(self) -> bool:
        """Wait until nothing more will be said; False if it was cut short."""
        assert self._over.wait(PATIENCE), "the reply is not over"
        return self.complete

    def usage(self) -> tuple[int, int]:
        """Tokens of the prompt and of the reply: one a word, one a piece."""
        prompt = " ".join(
            message["content"] for message in self.body["messages"]
        )
        return len(prompt.split()), len(self.said)

    async def turn(self) -> None:
        """Wait until the next piece may be said."""
        await asyncio.sleep(self._delay)
        if self._held:
            await self._turns.acquire()

    async def pieces(self) -> AsyncIterator[str]:
        """Say the pieces, each in its turn, and then fail if told to."""
        for piece in self.said:
            await self.turn()
            yield piece
        if self.fault == "cut":
            self._transport.close()
        if self.fault in ("cut", "hang_in_the_middle"):
            # The response cancels this when the connection is gone.
            await asyncio.Event().wait()
        await self.turn()

    async def end(self) -> None:
        """Note that nothing more will be said."""
        self._over.set()


def last_message(body: Json) -> str:
    """The last line of a prompt: messages of one role are one, by lines."""
    return lines(body)[-1]


def lines(body: Json) -> list[str]:
    """The lines of a prompt's messages."""
    return [
        line
        for message in body["messages"]
        for line in str(message["content"]).split("\n")
    ]


def you_said(body: Json) -> str:
    """Return the default reply: it quotes the message that it answers."""
    return f"You said: {last_message(body)}"


class Stub:
    """A service that a test steers by its attributes, for what follows.

    `reply` is a text, or its pieces, or a function from a request's body
    to either.
    With `held`, every reply waits for its exchange's `step` or `release`.
    """

    errors: Mapping[Fault, Json]
    media_type: str

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.port = 0
        self._server = serve(Starlette(routes=self.routes()))
        self.reset()

    def reset(self) -> None:
        """End its replies, and do as when it was made."""
        for exchange in self.exchanges:
            exchange.release()
            exchange.wait_until_over()
        self.reply: (
            str | Sequence[str] | Callable[[Json], str | Sequence[str]]
        ) = you_said
        self.fault: Fault | None = None
        self.after = 2
        self.delay = 0.0
        self.held = False
        self.reports_usage = True
        self.exchanges.clear()
        self.paths: list[str] = []
        self._arrivals: queue.Queue[Exchange] = queue.Queue()

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bodies(self) -> list[Json]:
        """The bodies of the chat requests, in the order they came."""
        return [exchange.body for exchange in self.exchanges]

    def next_request(self) -> Exchange:
        """Wait for the first chat request that this did not give yet."""
        try:
            return self._arrivals.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(
                f"expected the model to be asked within {PATIENCE:g} s; "
                f"came: {self.paths or 'no request'}"
            ) from None

    def routes(self) -> list[Route]:
        """Override to say which addresses it has."""
        raise NotImplementedError

    def stream(self, exchange: Exchange) -> AsyncIterator[str]:
        """Override to write a streamed reply."""
        raise NotImplementedError

    def completion(self, exchange: Exchange) -> Json:
        """Override to write a reply in one piece."""
        raise NotImplementedError

    async def chat(self, request: Request) -> Response:
        """Answer a prompt, or fail to."""
        exchange = Exchange(self, request, await request.json())
        self.exchanges.append(exchange)
        self._arrivals.put(exchange)
        if failure := await self.failure(request, exchange.fault):
            await exchange.end()
            return failure
        streamed = exchange.body.get(
            "stream", self.media_type == "application/x-ndjson"
        )
        return StreamingResponse(
            self.stream(exchange) if streamed else self._in_one_piece(exchange),
            media_type=self.media_type if streamed else "application/json",
            background=BackgroundTask(exchange.end),
        )

    async def failure(
        self, request: Request, fault: Fault | None
    ) -> Response | None:
        """Return the fault before the first piece, if there is one."""
        self.paths.append(f"{request.method} {request.url.path}")
        if fault == "hang":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return Response()
        if fault == "html":
            return HTMLResponse(
                "<!doctype html><title>Hotel Wi-Fi</title><p>Please sign in."
            )
        if fault and fault in self.errors:
            headers = {"retry-after": "20"} if fault == "429" else None
            return JSONResponse(
                self.errors[fault],
                429 if fault == "quota" else int(fault),
                headers,
            )
        return None

    async def _in_one_piece(self, exchange: Exchange) -> AsyncIterator[str]:
        async for _ in exchange.pieces():
            pass
        if exchange.fault == "garbage":
            yield '{"model": "tru'
        else:
            reply = (
                self.errors["500"]
                if exchange.fault == "error"
                else self.completion(exchange)
            )
            exchange.complete = True
            yield json.dumps(reply)

    def __enter__(self) -> Self:
        self.port = self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(None, None, None)
