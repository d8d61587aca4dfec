"""Parties behind real sockets, in a thread: for tests of the runtime alone."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus

from shared.party import Connection, Frame, Server
from shared.party import transport as fast
from shared.party.asgi import PartyApp
from shared.party.delivery import QueueTransport, TransportFactory
from shared.party.limits import Limits
from shared.party.registry import PartyRegistry
from shared.party.transport.bounded_protocol import BoundedProtocol
from shared.party.transport.http_protocol import BoundedHTTP
from shared.web.body_limit import BodyLimitMiddleware
from shared.web.browser_id import get_browser_id
from shared.web.origin_policy import HostOriginMiddleware, OriginPolicy

from .server_process import PATIENCE, Client

T = TypeVar("T")

HIGH_LIMITS = Limits(max_messages_per_second=1_000)
"""For guests who say much, where that is not the point."""


class Echo(Server):
    """Answers each message, and says which room it is."""

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        connection.send({"room": self.room.id, "you": connection.id})

    async def on_message(self, message: Frame, sender: Connection) -> None:
        sender.send({"echo": message})

    async def on_request(self, request: Request) -> Response:
        return JSONResponse({"room": self.room.id})


def use_fast_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this test's houses do as with FAST_TRANSPORT=1."""
    monkeypatch.setattr(TestServer, "protocol", fast.BatchingProtocol)
    monkeypatch.setattr(TestServer, "http", fast.FastHandshakeHTTP)
    monkeypatch.setattr(TestServer, "transport", fast.Broadcaster)


class TestServer(uvicorn.Server, Client):
    """Parties behind a real socket, served by a thread."""

    __test__ = False  # this is no class of tests, whatever its name is

    protocol: type[BoundedProtocol] = BoundedProtocol
    http: type[BoundedHTTP] = BoundedHTTP
    transport: TransportFactory = QueueTransport

    def __init__(self, parties: PartyRegistry, policy: OriginPolicy) -> None:
        app = Starlette(
            routes=[Mount("/parties", PartyApp(parties, get_browser_id))],
            middleware=[
                Middleware(HostOriginMiddleware, policy=policy),
                Middleware(BodyLimitMiddleware, max_bytes=65_536),
            ],
        )
        config = uvicorn.Config(
            app,
            http=self.http,
            ws=self.protocol,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self.parties = parties
        parties.context.transport = self.transport
        self.opened = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self.opened.set()

    async def main_loop(self) -> None:
        await self.ended.wait()

    def refused(self, room: str, party: str, pk: str | None = None) -> int:
        """Try to join: the status that the handshake is refused with."""
        try:
            with self.join(room, party, pk=pk):
                raise AssertionError("The handshake was not refused.")
        except InvalidStatus as refusal:
            return refusal.response.status_code

    def run_in_loop(self, doing: Awaitable[T]) -> T:
        """Await something in the rooms' loop, and return what came of it."""

        async def do() -> T:
            return await doing

        future = asyncio.run_coroutine_threadsafe(do(), self.loop)
        return future.result(PATIENCE)

    def call(self, do: Callable[..., T], *arguments: Any) -> T:
        """Call a function in the rooms' loop."""

        async def call() -> T:
            return do(*arguments)

        return self.run_in_loop(call())


class ErrorLogHandler(logging.Handler):
    """Collects errors of uvicorn and asyncio, which got past the runtime."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(logging.Formatter().format(record))


@contextmanager
def no_logged_errors() -> Iterator[None]:
    """Fail if an error gets past the runtime meanwhile."""
    errors = ErrorLogHandler()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(errors)
    try:
        yield
        gc.collect()  # errors that nobody asked a task for are logged by it
    finally:
        for logger in loggers:
            logger.removeHandler(errors)
    assert not errors.messages, "\n".join(errors.messages)


@contextmanager
def serve_parties(
    policy: OriginPolicy | None = None,
    bounds: Limits | None = None,
    **servers: type[Server],
) -> Iterator[TestServer]:
    """Serve parties, by their names, for as long as the block lasts."""
    server = TestServer(
        PartyRegistry(servers, bounds or HIGH_LIMITS), policy or OriginPolicy()
    )
    with no_logged_errors(), socket.socket() as listening:
        # Little is kept for a reader, so that a stalled one shows soon.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        listening.bind(("127.0.0.1", 0))
        server.port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        assert server.opened.wait(PATIENCE)
        try:
            yield server
        finally:
            server.loop.call_soon_threadsafe(server.ended.set)
            thread.join(PATIENCE)
            assert not thread.is_alive()
