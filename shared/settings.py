"""Every setting there is, read from the environment and from `.env`."""

import os
import re
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from .doors import Doors
from .limits import LimitSettings
from .listed import Hosts, Sites
from .sites import split
from .storage import Stored

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the stages."""

URL = re.compile(r"(?:([a-z]+)://)?([^/?#]*)((?:/(?!\.)[A-Za-z0-9._~-]+)*)/?")
"""Scheme, host with port, and path; of a path, what needs no encoding."""


class Settings(LimitSettings):
    """What `.env.example` documents; the environment wins over `.env`."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", ROOT / ".env"),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=1999, ge=0, le=65535)
    lan: bool = False
    reload: bool = True
    fast: bool = True
    grace: float | None = Field(default=None, ge=0)
    public_url: str = ""
    party_host: str = ""
    country_header: str = ""
    allowed_hosts: Hosts = []
    allowed_origins: Sites = []
    presenter_key: str = ""
    cookie_secret: str = ""
    store: Stored = "memory"

    ai: str = ""
    ai_record: str = ""
    openai_api_key: str = ""
    openai_base_url: str = ""
    openai_model: str = "gpt-4o-mini"
    ollama_host: str = ""
    ollama_model: str = "llama3.2"
    ai_timeout: float = Field(default=30.0, gt=0)
    ai_first_token_timeout: float | None = Field(default=None, gt=0)
    ai_reply_timeout: float = Field(default=300.0, gt=0)
    should_reply: bool = False
    should_reply_model: str = ""

    @field_validator("ai")
    @classmethod
    def what_answers(cls, ai: str) -> str:
        """Take a provider, or a file of replies that can be played back."""
        if ai.startswith("replay:"):
            # Imported late, as it needs this module.
            from .ai.recordings import read, replayed

            read(replayed(ai)[0])
        elif ai not in ("", "openai", "ollama", "local", "none"):
            raise ValueError(
                "give openai, ollama, local, none, or replay: and a file"
            )
        return ai

    @field_validator("host")
    @classmethod
    def only_addresses(cls, host: str) -> str:
        """Take no names: some systems set HOST to the machine's own."""
        try:
            return host if host == "localhost" else str(ip_address(host))
        except ValueError:
            return "127.0.0.1"

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
        name, port = split(found[2]) if found else ("", "")
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

    @property
    def listens_at(self) -> str:
        """Where the app listens: with LAN=1 everywhere, unless HOST is set."""
        everywhere = self.lan and self.host == "127.0.0.1"
        return "0.0.0.0" if everywhere else self.host

    @property
    def patience(self) -> float:
        """Seconds that replies have to finish when the server ends."""
        if self.grace is not None:
            return self.grace
        return 1.0 if self.reload else 10.0


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
