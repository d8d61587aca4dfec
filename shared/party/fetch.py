"""From one party to another: HTTP without a network."""

import json as json_module
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import Message

if TYPE_CHECKING:
    from .registry import Parties

logger = logging.getLogger("party")


def from_party(request: Request) -> bool:
    """Whether a party sent this request, and nobody from outside.

    That is said in the ASGI scope, which no header can reach.
    """
    return "party.caller" in request.scope


class Reply:
    """What a room answered: `status_code`, `headers` and `body`."""

    def __init__(self) -> None:
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def ok(self) -> bool:
        """Whether the room did what it was asked."""
        return 200 <= self.status_code < 400

    def json(self) -> Any:
        """The body, read as JSON."""
        return json_module.loads(self.body)

    async def take(self, message: Message) -> None:
        """Take the response in, as an ASGI server would."""
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in message["headers"]
            }
        else:
            self.body += message.get("body", b"")


class Address:
    """A room of a party, to be asked by another."""

    def __init__(self, parties: "Parties", party: str, id: str) -> None:
        self.parties, self.party, self.id = parties, party, id

    async def fetch(self, method: str = "GET", json: Any = None) -> Reply:
        """Ask the room: its `on_request` answers, as it would over HTTP.

        `json` becomes the body. A room that fails, or that does not exist,
        raises nothing: it is a reply with its status, and a line in the log.
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
        response = await self.parties.respond(self.party, self.id, request)
        reply = Reply()
        await response(scope, receive, reply.take)
        if not reply.ok:
            where = f"{self.party}/{quote(self.id)}"
            logger.warning("%s: %s %s", where, reply.status_code, reply.body)
        return reply


class Party:
    """A party, as another one knows it."""

    def __init__(self, parties: "Parties", name: str) -> None:
        self.parties, self.name = parties, name

    def get(self, id: str) -> Address:
        """The room of that id."""
        return Address(self.parties, self.name, id)
