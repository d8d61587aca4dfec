"""The HTTP clients of providers."""

import asyncio

import httpx2
import pytest

from shared.ai import http_responses

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(("idle", "used"), [(60.0, 1), (0.05, 2)])
def test_client_options_drop_idle_connections_before_servers_do(
    monkeypatch: pytest.MonkeyPatch, idle: float, used: int
) -> None:
    assert http_responses.KEEPALIVE_SECONDS < 5
    monkeypatch.setattr(http_responses, "KEEPALIVE_SECONDS", idle)
    connections: list[asyncio.Task[None] | None] = []

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connections.append(asyncio.current_task())
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()

    async def ask_twice() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        options = http_responses.client_options(httpx2)
        async with server, httpx2.AsyncClient(**options) as client:
            await client.get(f"http://127.0.0.1:{port}/")
            await asyncio.sleep(0.1)
            await client.get(f"http://127.0.0.1:{port}/")
        await asyncio.gather(*filter(None, connections))

    asyncio.run(ask_twice())
    assert len(connections) == used
