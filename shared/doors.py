"""Who may come in: a page of another site may not, even by a trick."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

NETLOC = re.compile(r"(\[[^][/?#@\s]+\]|[^][:/?#@,;\s]+)(:[0-9]*)?")


def host_of(netloc: str) -> str:
    """The host in `host:port`, in lower case, "" where there is none."""
    found = NETLOC.fullmatch(netloc)
    return found[1].strip("[]").lower() if found else ""


class Doors:
    """The names under which the app answers, and whose pages may use it.

    `hosts` and `origins` are allowed besides localhost, every IP address and
    the page's own host; `public_url` adds itself to both.
    """

    def __init__(
        self,
        hosts: list[str] | None = None,
        origins: list[str] | None = None,
        public_url: str = "",
    ) -> None:
        self.hosts = {host_of(host) for host in hosts or []}
        self.origins = {origin.lower().rstrip("/") for origin in origins or []}
        if public_url:
            parts = urlsplit(public_url.lower())
            self.hosts.add(parts.hostname or "")
            self.origins.add(f"{parts.scheme}://{parts.netloc}")

    def knows_host(self, netloc: str) -> bool:
        """Whether the app answers under this `Host`.

        Any other name is one that somebody pointed at this machine, so that
        their page could read from it (DNS rebinding).
        """
        host = host_of(netloc)
        if host == "localhost" or host.endswith(".localhost"):
            return True
        if host and host in self.hosts:
            return True
        try:
            return bool(ip_address(host))
        except ValueError:
            return False

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuse a socket that a foreign page opens, with a 403.

        No Origin is no page: a program, which could say what it likes.
        """
        origin = connection.headers.get("origin")
        if origin is None or origin.lower() in self.origins:
            return
        own = connection.headers.get("host", "").lower()
        host = origin.lower().partition("://")[2]
        if not host or host != own:
            raise HTTPException(403, "Pages of this origin may not connect.")


stranger = PlainTextResponse(
    "This server does not answer under that name. "
    "ALLOWED_HOSTS or PUBLIC_URL can add it.\n",
    status_code=400,
)


class HostCheck:
    """Middleware: requests under a name that is not ours are refused."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on what asked for a host that the app answers under."""
        if scope["type"] in ("http", "websocket"):
            host = Headers(scope=scope).get("host", "")
            if not self.doors.knows_host(host):
                await stranger(scope, receive, send)
                return
        await self.app(scope, receive, send)
