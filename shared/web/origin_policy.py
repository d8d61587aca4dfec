"""Validate Host and Origin (DNS rebinding, cross-site WebSockets)."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .origins import (
    DEFAULT_PORTS,
    Origin,
    host_matches,
    is_ip_address,
    parse_host_pattern,
    parse_netloc,
)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

HEALTH_PATH = "/healthz"
"""Answered for any Host or none: load balancers send their own."""

INVALID_HOST = PlainTextResponse(
    "This server does not answer under that name. "
    "ALLOWED_HOSTS or PUBLIC_URL can add it.\n",
    status_code=400,
)
FORBIDDEN_ORIGIN = PlainTextResponse(
    "Pages of this origin may not connect. "
    "ALLOWED_ORIGINS or PUBLIC_URL can add it.\n",
    status_code=403,
)


class OriginPolicy:
    """The hosts under which the app answers, and the origins that may use it.

    `hosts` and `origins` are allowed besides localhost, every IP address and
    the page's own host; `public_url` is added to both. Raises ValueError if
    one of them is malformed.
    """

    def __init__(
        self,
        hosts: list[str] | None = None,
        origins: list[str] | None = None,
        public_url: str = "",
    ) -> None:
        self.hosts = {"localhost", "*.localhost"}
        self.hosts.update(parse_host_pattern(each) for each in hosts or [])
        self.origins = [Origin.from_pattern(each) for each in origins or []]
        url = urlsplit(public_url)
        self.root_path = url.path.rstrip("/")
        self.public: Origin | None = None
        if public_url:
            self.public = Origin.from_pattern(f"{url.scheme}://{url.netloc}")
            self.hosts.add(self.public.host)
            self.origins.append(self.public)

    def allows_host(self, netloc: str) -> bool:
        """Tell whether the app answers under this `Host`.

        Somebody may have pointed any other name at this machine, so that
        their page could read from it (DNS rebinding).
        """
        host, _ = parse_netloc(netloc)
        matches = any(host_matches(host, each) for each in self.hosts)
        return matches or is_ip_address(host)

    def allows_origin(self, header: str, netloc: str) -> bool:
        """Tell whether pages of this `Origin` may use the app at a `Host`."""
        scheme, _, rest = header.lower().partition("://")
        origin = Origin.from_netloc(scheme, rest)
        # A proxy that terminates TLS leaves Host as it was.
        own = Origin.from_netloc(scheme, netloc)
        if scheme in DEFAULT_PORTS and origin == own:
            return True
        return any(origin.matches(each) for each in self.origins)

    def is_https(self, scope: Scope) -> bool:
        """Tell whether the browser uses HTTPS, if only as far as a proxy."""
        if scope["scheme"] in ("https", "wss"):
            return True
        host, _ = parse_netloc(Headers(scope=scope).get("host", ""))
        public = self.public
        return bool(public and (public.scheme, public.host) == ("https", host))


class HostOriginMiddleware:
    """Refuse requests with a foreign Host, or from pages of other origins."""

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Call the app, or the refusal."""
        refusal = None
        if scope["type"] in ("http", "websocket") and not is_health(scope):
            refusal = self.refusal(scope)
        if scope["type"] == "http" and "/parties/" in scope["path"]:
            send = self.allow_reading(scope, send)
        await (refusal or self.app)(scope, receive, send)

    def allow_reading(self, scope: Scope, send: Send) -> Send:
        """Add the CORS headers of a party's response to an allowed origin.

        With PARTY_HOST, pages of another host fetch older messages here.
        """
        headers = Headers(scope=scope)
        origin, host = headers.get("origin", ""), headers.get("host", "")
        if not origin or not self.policy.allows_origin(origin, host):
            return send

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                response["Access-Control-Allow-Origin"] = origin
                response.add_vary_header("Origin")
            await send(message)

        return send_with_headers

    def refusal(self, scope: Scope) -> ASGIApp | None:
        """Return the response that refuses a request, if one has to."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self.policy.allows_host(hosts[0]):
            return INVALID_HOST
        # Programs send no Origin, and could send any.
        if scope.get("method") in SAFE_METHODS or not origins:
            return None
        allowed = self.policy.allows_origin(origins[0], hosts[0])
        return None if len(origins) == 1 and allowed else FORBIDDEN_ORIGIN


def is_health(scope: Scope) -> bool:
    """Tell whether a request is a health check."""
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    # A proxy may have stripped PUBLIC_URL's path, or not.
    is_path = path.removeprefix(root) == HEALTH_PATH
    return is_path and scope.get("method") in ("GET", "HEAD")
