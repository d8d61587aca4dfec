"""Where the app is, and the hosts and sites that it knows: as settings."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, field_validator
from pydantic_settings import BaseSettings, NoDecode

from .origin_policy import Doors
from .origins import split as split_host

URL = re.compile(r"(?:([a-z]+)://)?([^/?#]*)((?:/(?!\.)[A-Za-z0-9._~-]+)*)/?")
"""Scheme, host with port, and path; of a path, what needs no encoding."""


def split(text: object) -> object:
    """Read a list; what is one already stays as it is."""
    if not isinstance(text, str):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def only_hosts(hosts: list[str]) -> list[str]:
    """Take names that a browser could ask for, and no `*` alone."""
    Doors(hosts=hosts)
    return hosts


def only_sites(origins: list[str]) -> list[str]:
    """Take no "null", which is what any site can say that it is."""
    Doors(origins=origins)
    return origins


Listed = Annotated[list[str], NoDecode, BeforeValidator(split)]
Hosts = Annotated[Listed, AfterValidator(only_hosts)]
Sites = Annotated[Listed, AfterValidator(only_sites)]


class AddressSettings(BaseSettings):
    """The settings in `.env.example` that are hosts, sites or URLs."""

    public_url: str = ""
    party_host: str = ""
    allowed_hosts: Hosts = []
    allowed_origins: Sites = []

    @field_validator("public_url")
    @classmethod
    def whole_address(cls, url: str) -> str:
        """Take an address that a browser could open, or none."""
        found = URL.fullmatch(url)
        if url and (not found or found[1] not in ("http", "https")):
            raise ValueError(
                "give it all, as in https://party.example.org or "
                "https://example.org/party"
            )
        Doors(public_url=url)
        return url

    @field_validator("party_host")
    @classmethod
    def parse_party_host(cls, host: str) -> str:
        """Accept a host, with a port, a scheme and a path if need be."""
        found = URL.fullmatch(host)
        schemes = (None, "http", "https", "ws", "wss")
        name, port = split_host(found[2]) if found else ("", "")
        known = found and found[1] in schemes and name
        if host and not (known and int(port or 0) < 65_536):
            raise ValueError(
                "give a host, as in parties.example.org:2000, or with http, "
                "https, ws or wss, as in wss://parties.example.org"
            )
        return host

    @property
    def root_path(self) -> str:
        """The path of PUBLIC_URL, without a slash at its end."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def parties_url(self) -> str:
        """The parties' address, relative to a page's own.

        It has no host without PARTY_HOST, and no scheme if that has none.
        """
        if not self.party_host:
            return f"{self.root_path}/parties"
        scheme, _, rest = self.party_host.rpartition("://")
        start = scheme and scheme.replace("http", "ws") + ":"
        return f"{start}//{rest.rstrip('/')}/parties"
