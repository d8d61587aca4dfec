"""Bound, watch and rewrite the HTTP responses of providers.

Both `openai` and `ollama` take event hooks. They use httpx2 and httpx, which
have the same classes under the same names.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from .openai_events import EventReader
from .stream_lines import BadStream, LineReader, OllamaReader
from .watchdog import watchdog

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Bytes of a response that is not streamed, such as a list of models."""

MAX_ERROR_BYTES = 64 * 1024
"""Bytes of an error response."""

MAX_PIECE_BYTES = 64 * 1024
"""Bytes that are decompressed in one step."""

KEEPALIVE_SECONDS = 2.0
"""Seconds after which an idle connection is not reused.

Many servers close it after 5 s, the default of these clients, too: a request
at that moment would fail.
"""

ENCODINGS = {"gzip", "x-gzip", "deflate"}


class RedirectRefused(Exception):
    """Raised for a redirect to another host."""


class UnexpectedWebPage(Exception):
    """Raised for a web page in the place of a reply."""


def client_options(module: ModuleType) -> dict[str, Any]:
    """Return the arguments of a bounded client of `httpx` or `httpx2`."""

    class Body(_Body, module.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The body as a stream of the client's own kind."""

    async def check(response: Any) -> None:
        check_redirect(response)
        body = Body(response)
        # Decompressed here, where it is bounded.
        response.headers.pop("content-encoding", None)
        response.stream = body

    return {
        "event_hooks": {"response": [check]},
        "headers": {"Accept-Encoding": "identity"},
        "limits": module.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
    }


def check_redirect(response: Any) -> None:
    """Refuse redirects to another host, and from HTTPS to HTTP."""
    if response.has_redirect_location:
        url = response.request.url
        target = url.join(response.headers["location"])
        is_downgraded = url.scheme == "https" != target.scheme
        if target.host != url.host or is_downgraded:
            raise RedirectRefused(f"{url.host} redirects to {target.host}")


class _Body:
    """A response's body: watched, decompressed, bounded and rewritten."""

    def __init__(self, response: Any) -> None:
        self._source = response.stream
        self._watchdog = watchdog.get()
        self._encoding = response.headers.get("content-encoding", "").strip()
        self._reader = self._reader_for(response)
        self._remaining_bytes = (
            MAX_ERROR_BYTES if response.is_error else MAX_BODY_BYTES
        )
        if self._encoding in ("", "identity"):
            self._inflate = None
        elif self._encoding in ENCODINGS:
            # 32: detect gzip or zlib by the header.
            self._inflate = zlib.decompressobj(32 + zlib.MAX_WBITS)
        else:
            raise BadStream(f"it is compressed: {self._encoding[:20]}")

    def _reader_for(self, response: Any) -> LineReader | None:
        path = response.request.url.path
        content_type = response.headers.get("content-type", "").lower()
        if response.request.method != "POST" or not response.is_success:
            return None
        if "text/html" in content_type:
            raise UnexpectedWebPage("a web page came instead of a reply")
        if path.endswith("/chat/completions"):
            return EventReader(self._watchdog)
        if path.endswith("/api/chat"):
            return OllamaReader(self._watchdog)
        return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._source:
            if self._watchdog:
                self._watchdog.reset()
            for piece in self._pieces(data):
                if self._reader:
                    for line in self._reader.feed(piece):
                        yield line
                    continue
                yield piece[: self._remaining_bytes]
                self._remaining_bytes -= len(piece)
                if self._remaining_bytes <= 0:
                    return
        for line in self._reader.end() if self._reader else ():
            yield line

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if not self._inflate:
            yield data
            return
        while data:
            try:
                piece = self._inflate.decompress(data, MAX_PIECE_BYTES)
            except zlib.error:
                raise BadStream("its compression is broken") from None
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail

    async def aclose(self) -> None:
        await self._source.aclose()
