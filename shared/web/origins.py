"""Hosts and origins, as headers and settings write them."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from ..settings import CommaSeparated

HOST_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
NETLOC = re.compile(
    rf"(?:\[([0-9a-f:.]+)\]|({HOST_NAME})\.?)(?::([0-9]{{0,5}}))?"
)
MAX_NETLOC_LENGTH = 262
URL = re.compile(r"(?:([a-z]+)://)?([^/?#]*)((?:/(?!\.)[A-Za-z0-9._~-]+)*)/?")
"""Scheme, netloc, and a path in which nothing needs to be encoded."""

DEFAULT_PORTS = {"http": "80", "https": "443"}


def parse_netloc(netloc: str) -> tuple[str, str]:
    """Return host and port of `host:port`; ("", "") if it is malformed."""
    found = NETLOC.fullmatch(netloc.lower())
    if not found or len(netloc) > MAX_NETLOC_LENGTH:
        return "", ""
    address, name, port = found.groups("")
    try:
        return str(IPv6Address(address)) if address else name, port
    except ValueError:
        return "", ""


def host_matches(host: str, pattern: str) -> bool:
    """Tell whether a host matches; `*.` stands for one label or more."""
    below = pattern.startswith("*.") and host.endswith(pattern[1:])
    return below or host == pattern


@lru_cache(maxsize=100)
def is_ip_address(host: str) -> bool:
    """Tell whether a host is an IP address and not a name."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def parse_host_pattern(text: str) -> str:
    """Return the host, without its port, in an item of ALLOWED_HOSTS.

    Raises ValueError for anything else, such as `*` alone.
    """
    name = text.lower().removeprefix("*.")
    host, _ = parse_netloc(name)
    if not host:
        raise ValueError(f"{text} is not a host such as example.org")
    return text.lower().removesuffix(name) + host


class Origin(NamedTuple):
    """A scheme, a host and a port, which is never left out."""

    scheme: str
    host: str
    port: str

    @classmethod
    def from_netloc(cls, scheme: str, netloc: str) -> "Origin":
        """Make one of a scheme and `host:port`; malformed, it has no host."""
        host, port = parse_netloc(netloc)
        return cls(scheme, host, port or DEFAULT_PORTS.get(scheme, ""))

    @classmethod
    def from_pattern(cls, text: str) -> "Origin":
        """Make one of an item of ALLOWED_ORIGINS; its host may have a `*.`.

        Raises ValueError for anything else, such as "null", which pages of
        any origin can send.
        """
        scheme, _, rest = text.lower().rstrip("/").partition("://")
        if not rest:
            raise ValueError(
                f"{text} is not an origin such as https://example.org"
            )
        host = parse_host_pattern(rest)
        origin = cls.from_netloc(scheme, rest.removeprefix("*."))
        return origin._replace(host=host)

    def matches(self, pattern: "Origin") -> bool:
        """Tell whether this origin is that of a pattern, or one of those."""
        same = (self.scheme, self.port) == (pattern.scheme, pattern.port)
        return same and host_matches(self.host, pattern.host)


def check_host_patterns(hosts: list[str]) -> list[str]:
    """Return the value of ALLOWED_HOSTS, or raise ValueError."""
    for host in hosts:
        parse_host_pattern(host)
    return hosts


def check_origin_patterns(origins: list[str]) -> list[str]:
    """Return the value of ALLOWED_ORIGINS, or raise ValueError."""
    for origin in origins:
        Origin.from_pattern(origin)
    return origins


def check_public_url(url: str) -> str:
    """Return the value of PUBLIC_URL, or raise ValueError."""
    found = URL.fullmatch(url)
    if url and (not found or found[1] not in DEFAULT_PORTS):
        raise ValueError(
            "give all of it, as in https://party.example.org or "
            "https://example.org/party"
        )
    if url and found:
        Origin.from_pattern(f"{found[1]}://{found[2]}")
    return url


def check_party_host(host: str) -> str:
    """Return the value of PARTY_HOST, or raise ValueError."""
    found = URL.fullmatch(host)
    schemes = (None, "http", "https", "ws", "wss")
    name, port = parse_netloc(found[2]) if found else ("", "")
    known = found and found[1] in schemes and name
    if host and not (known and int(port or 0) < 65_536):
        raise ValueError(
            "give a host, as in parties.example.org:2000, or with http, "
            "https, ws or wss, as in wss://parties.example.org"
        )
    return host


HostPatterns = Annotated[CommaSeparated, AfterValidator(check_host_patterns)]
OriginPatterns = Annotated[
    CommaSeparated, AfterValidator(check_origin_patterns)
]
PublicURL = Annotated[str, AfterValidator(check_public_url)]
PartyHost = Annotated[str, AfterValidator(check_party_host)]
