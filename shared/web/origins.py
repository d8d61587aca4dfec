"""Sites, as `Host`, `Origin` and the settings write them."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
NETLOC = re.compile(rf"(?:\[([0-9a-f:.]+)\]|({NAME})\.?)(?::([0-9]{{0,5}}))?")
LONGEST = 262
"""Characters that a host with its port may have."""

PORTS = {"http": "80", "https": "443"}
"""The ports that need not be said."""


def split(netloc: str) -> tuple[str, str]:
    """Host and port in `host:port`; no host, where it is something else."""
    found = NETLOC.fullmatch(netloc.lower())
    if not found or len(netloc) > LONGEST:
        return "", ""
    address, name, port = found.groups("")
    try:
        return str(IPv6Address(address)) if address else name, port
    except ValueError:
        return "", ""


def fits(host: str, pattern: str) -> bool:
    """Whether a host is that one; `*.` stands for one label or more."""
    below = pattern.startswith("*.") and host.endswith(pattern[1:])
    return below or host == pattern


@lru_cache(maxsize=100)
def is_address(host: str) -> bool:
    """Whether a host is said by its IP address."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def listed_host(text: str) -> str:
    """The host of a setting, which may begin with `*.`; its port is left."""
    name = text.lower().removeprefix("*.")
    host, _ = split(name)
    if not host:
        raise ValueError(f"{text} is no host, as example.org is")
    return text.lower().removesuffix(name) + host


class Site(NamedTuple):
    """Where pages come from; its port is said even where it is the usual."""

    scheme: str
    host: str
    port: str

    @classmethod
    def read(cls, scheme: str, netloc: str) -> "Site":
        """That of a scheme and `host:port`; without a host, it is none."""
        host, port = split(netloc)
        return cls(scheme, host, port or PORTS.get(scheme, ""))

    @classmethod
    def listed(cls, text: str) -> "Site":
        """That of a setting, whose host may begin with `*.`."""
        scheme, _, rest = text.lower().rstrip("/").partition("://")
        if not rest:
            raise ValueError(f"{text} is no site, as https://example.org is")
        host = listed_host(rest)
        return cls.read(scheme, rest.removeprefix("*."))._replace(host=host)

    def covers(self, other: "Site") -> bool:
        """Whether another site is this one, or one of these."""
        same = (self.scheme, self.port) == (other.scheme, other.port)
        return same and fits(other.host, self.host)
