"""Who may come in: a page of another site may not, even by a trick."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .origins import PORTS, Site, fits, is_address, listed_host, split

HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

HEALTH = "/healthz"
"""Where any Host may ask, or none: load balancers send their own."""

STRANGER = PlainTextResponse(
    "This server does not answer under that name. "
    "ALLOWED_HOSTS or PUBLIC_URL can add it.\n",
    status_code=400,
)
FOREIGN = PlainTextResponse(
    "Pages of this origin may not connect. "
    "ALLOWED_ORIGINS or PUBLIC_URL can add it.\n",
    status_code=403,
)


class Doors:
    """The names under which the app answers, and whose pages may use it.

    `hosts` and `origins` are allowed besides localhost, every IP address and
    the page's own host; `public_url` adds itself to both. Raises ValueError
    for what can be no host or no site.
    """

    def __init__(
        self,
        hosts: list[str] | None = None,
        origins: list[str] | None = None,
        public_url: str = "",
    ) -> None:
        self.hosts = {"localhost", "*.localhost"}
        self.hosts.update(listed_host(each) for each in hosts or [])
        self.origins = [Site.listed(each) for each in origins or []]
        url = urlsplit(public_url)
        self.root_path = url.path.rstrip("/")
        site = f"{url.scheme}://{url.netloc}"
        self.public = Site.listed(site) if public_url else None
        if self.public:
            self.hosts.add(self.public.host)
            self.origins.append(self.public)

    def knows_host(self, netloc: str) -> bool:
        """Whether the app answers under this `Host`.

        Any other name is one that somebody pointed at this machine, so that
        their page could read from it (DNS rebinding).
        """
        host, _ = split(netloc)
        return any(fits(host, each) for each in self.hosts) or is_address(host)

    def knows_origin(self, origin: str, netloc: str) -> bool:
        """Whether pages of this `Origin` may use the app at that `Host`."""
        scheme, _, rest = origin.lower().partition("://")
        site = Site.read(scheme, rest)
        # A proxy that takes https off leaves the host as it was.
        if scheme in PORTS and site == Site.read(scheme, netloc):
            return True
        return any(each.covers(site) for each in self.origins)

    def encrypted(self, scope: Scope) -> bool:
        """Whether the browser came by https, if only as far as a proxy."""
        if scope["scheme"] in ("https", "wss"):
            return True
        host, _ = split(Headers(scope=scope).get("host", ""))
        public = self.public
        return bool(public and (public.scheme, public.host) == ("https", host))


class Doorkeeper:
    """Middleware: refuses names that are not ours, and pages of others."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on what may come in."""
        refusal = None
        if scope["type"] in ("http", "websocket") and not is_health(scope):
            refusal = self.refusal(scope)
        await (refusal or self.app)(scope, receive, send)

    def refusal(self, scope: Scope) -> ASGIApp | None:
        """What answers in place of the app, if anything has to."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self.doors.knows_host(hosts[0]):
            return STRANGER
        if scope.get("method") in HARMLESS:
            return None
        # No Origin is no page: a program, which could say what it likes.
        known = (self.doors.knows_origin(each, hosts[0]) for each in origins)
        return None if len(origins) < 2 and all(known) else FOREIGN


def is_health(scope: Scope) -> bool:
    """Tell whether a request asks for the app's health and nothing else."""
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    # A proxy may have stripped PUBLIC_URL's path, or not.
    asked = path.removeprefix(root) == HEALTH
    return asked and scope.get("method") in ("GET", "HEAD")
