"""HTTP requests from one party to another, without a network."""

import json as json_module
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

Respond: TypeAlias = Callable[[str, str, Request], Awaitable[Response]]
"""Returns the response of a party's room to a request."""

logger = logging.getLogger("party")


def is_internal(request: Request) -> bool:
    """Return whether a party sent this request, not a client.

    The ASGI scope records that, which no header can change.
    """
    return "party.caller" in request.scope


class FetchResponse:
    """The response of a room: `status_code`, `headers` and `body`."""

    def __init__(self) -> None:
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def ok(self) -> bool:
        """Whether the status is no error."""
        return 200 <= self.status_code < 400

    def json(self) -> Any:
        """Parse the body as JSON."""
        return json_module.loads(self.body)

    async def _receive(self, message: Message) -> None:
        """Store an ASGI message, as an HTTP server would send it."""
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in message["headers"]
            }
        else:
            self.body += message.get("body", b"")


class RoomStub:
    """A room of another party, to send requests to."""

    def __init__(self, respond: Respond, party: str, id: str) -> None:
        self.party, self.id = party, id
        self._respond = respond

    async def fetch(
        self, method: str = "GET", json: Any = None
    ) -> FetchResponse:
        """Send a request to the room's `on_request`; `json` is its body.

        An error raises nothing: it is a response with its status, and it is
        logged.
        """
        body = b"" if json is None else json_module.dumps(json).encode()

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        path = f"/parties/{self.party}/{quote(self.id, safe='')}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method.upper(),
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "server": ("party", None),
            "headers": [
                (b"host", b"party"),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
            "party.caller": True,
        }
        request = Request(scope, receive)
        response = await self._respond(self.party, self.id, request)
        fetched = FetchResponse()
        await response(scope, receive, fetched._receive)
        if not fetched.ok:
            where = f"{self.party}/{quote(self.id)}"
            logger.warning(
                "%s: %s %s", where, fetched.status_code, fetched.body
            )
        return fetched


class PartyNamespace:
    """A party, whose rooms another party can send requests to."""

    def __init__(self, respond: Respond, name: str) -> None:
        self.name = name
        self._respond = respond

    def get(self, id: str) -> RoomStub:
        """Return the room with that id."""
        return RoomStub(self._respond, self.name, id)
