"""A TCP proxy that a test can cut, freeze or slow down."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from .server_process import PATIENCE, Client

AnyProxy = TypeVar("AnyProxy", bound="TCPProxy")


class TCPProxy(Client):
    """A TCP proxy in front of a server."""

    def __init__(self, server: Client) -> None:
        self.server = server
        self.open = True
        self.frozen = False
        self.delay = 0.0  # seconds that data takes, in each direction
        self.ends: dict[asyncio.StreamWriter, str] = {}
        self.deaf: set[asyncio.StreamWriter] = set()

    async def live(self, ready: threading.Event) -> None:
        """Take connections, on a port of its own, until it is stopped."""
        self.loop = asyncio.get_running_loop()
        self.stopped = asyncio.Event()
        listener = await asyncio.start_server(self.connect, "127.0.0.1", 0)
        async with listener:
            self.port = listener.sockets[0].getsockname()[1]
            ready.set()
            await self.stopped.wait()

    async def connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry both directions of one connection, until one ends."""
        self.ends[writer] = "down"
        mine = [writer]
        with suppress(OSError):
            if self.open:
                far, end = await asyncio.open_connection(
                    "127.0.0.1", self.server.port
                )
                self.ends[end] = "up"
                mine.append(end)
                if self.frozen:
                    self.deaf.update(mine)
                await asyncio.wait(
                    [
                        asyncio.create_task(self.carry(reader, end)),
                        asyncio.create_task(self.carry(far, writer)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        for each in mine:
            each.transport.abort()
            self.ends.pop(each, None)

    async def carry(
        self, near: asyncio.StreamReader, far: asyncio.StreamWriter
    ) -> None:
        """Carry one direction."""
        with suppress(OSError):
            while data := await near.read(65_536):
                await asyncio.sleep(self.delay)
                await self.pass_on(data, far)

    async def pass_on(self, data: bytes, far: asyncio.StreamWriter) -> None:
        """Carry some bytes."""
        if far not in self.deaf:
            far.write(data)
            await far.drain()

    def swallow(self, way: str) -> None:
        """Leave what is open now open, but carry nothing "up" or "down"."""

        def swallow() -> None:
            self.deaf.update(e for e, to in self.ends.items() if to == way)

        self.call(swallow)

    def freeze(self) -> None:
        """Carry nothing over any connection until mended; end none of them."""

        def freeze() -> None:
            self.frozen = True
            self.deaf.update(self.ends)

        self.call(freeze)

    def cut(self) -> None:
        """End all connections at once, and take no new ones."""

        def cut() -> None:
            self.open = False
            for end in self.ends:
                end.transport.abort()

        self.call(cut)

    def mend(self) -> None:
        """Take connections again; end those over which nothing is carried."""

        def mend() -> None:
            self.open, self.frozen = True, False
            for end in self.deaf & {*self.ends}:
                end.transport.abort()

        self.call(mend)

    def call(self, do: Callable[[], None]) -> None:
        """Call a function in the proxy's own thread, and wait for it."""

        async def call() -> None:
            do()

        asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)


class LateHandshake(TCPProxy):
    """A proxy with which the first handshake of a room's page comes last.

    It passes it on when told to, also if the page has given it up by then.
    """

    def __init__(self, server: Client) -> None:
        super().__init__(server)
        self.late: asyncio.Task[bytes] | None = None
        self.released = asyncio.Event()

    async def pass_on(self, data: bytes, far: asyncio.StreamWriter) -> None:
        """Carry some bytes, unless they are that handshake."""
        if not self.late and data.startswith(b"GET /parties/chatroom/"):
            self.late = asyncio.create_task(self.arrive(data))
        else:
            await super().pass_on(data, far)

    async def arrive(self, handshake: bytes) -> bytes:
        """Have the handshake arrive, once it is released: its answer."""
        await self.released.wait()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.port
        )
        self.ends[writer] = "up"
        writer.write(handshake)
        return await reader.readline()

    def release(self) -> bytes:
        """Have the handshake arrive now; return the answer's first line."""
        self.call(self.released.set)
        return asyncio.run_coroutine_threadsafe(
            self._answer(), self.loop
        ).result(PATIENCE)

    async def _answer(self) -> bytes:
        assert self.late
        return await self.late


@contextmanager
def proxy_to(server: Client) -> Iterator[TCPProxy]:
    """Run a proxy in front of a server while the block lasts."""
    with run_proxy(TCPProxy(server)) as proxy:
        yield proxy


@contextmanager
def run_proxy(proxy: AnyProxy) -> Iterator[AnyProxy]:
    """Run a proxy while the block lasts."""
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.live(ready)))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield proxy
    finally:
        proxy.cut()
        proxy.call(proxy.stopped.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()
