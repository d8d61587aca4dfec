"""All settings, read from the environment and from `.env`."""

import os
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .former_settings import RENAMED, ineffective_name
from .party import Limits
from .party.backlog import MAX_QUEUED_BYTES
from .party.storage.store import StoreURL

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the stages."""

MIN_KEY_LENGTH = 16
"""Characters of the presenter's key."""

SECRETS = {"presenter_key", "cookie_secret", "openai_api_key"}
"""Settings that are never written to the terminal."""

DEPLOYMENT_NAMES = {"STAGE", "WITH_LOCAL_MODEL"}
"""Names in `.env` that only `compose.yaml` reads."""


def split_list(text: object) -> object:
    """Split a string at its commas; return anything else as it is."""
    if not isinstance(text, str):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(split_list)]


class Settings(BaseSettings):
    """The settings in `.env.example`; the environment wins over `.env`.

    Hosts, origins and recordings are checked in `shared.app`.
    """

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", ROOT / ".env"),
        env_ignore_empty=True,
        extra="allow",  # names in .env that no setting has: see name_errors
        frozen=True,
        allow_inf_nan=False,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=1999, ge=0, le=65535)
    lan: bool = False
    reload: bool = True
    fast_transport: bool = True
    graceful_timeout: float | None = Field(default=None, ge=0, le=3_600)
    public_url: str = ""
    repository_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    party_host: str = ""
    allowed_hosts: CommaSeparated = []
    allowed_origins: CommaSeparated = []
    country_header: str = Field(default="", pattern="^[A-Za-z0-9_-]*$")
    presenter_key: str = ""
    cookie_secret: str = ""
    store: StoreURL = "memory"

    ai: str = ""
    ai_record: str = ""
    openai_api_key: str = ""
    openai_base_url: str = ""
    openai_model: str = "gpt-4o-mini"
    ollama_host: str = ""
    ollama_model: str = "llama3.2"
    ai_timeout: float = Field(default=30.0, gt=0, le=3_600)
    ai_first_token_timeout: float | None = Field(default=None, gt=0, le=3_600)
    ai_reply_timeout: float = Field(default=300.0, gt=0, le=3_600)
    should_reply: bool = False
    should_reply_model: str = ""

    max_frame_bytes: int = Field(default=65_536, ge=1_024, le=2**30)
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=2**30)
    max_messages_per_second: int = Field(default=10, ge=1, le=10**9)
    max_room_messages_per_second: int = Field(default=200, ge=1, le=10**9)
    max_connections_per_room: int = Field(default=2_000, ge=1, le=10**9)
    max_rooms: int = Field(default=1_000, ge=1, le=10**9)
    max_new_rooms_per_minute: int = Field(default=600, ge=1, le=10**9)
    max_queued_bytes: int = Field(default=MAX_QUEUED_BYTES, ge=2**20, le=2**40)
    ping_interval: float = Field(default=20.0, ge=1, le=3_600)
    history_limit: int = Field(default=1_000, ge=1, le=100_000)
    max_queued_questions: int = Field(default=5, ge=1, le=10**9)
    daily_token_budget: int | None = Field(default=None, ge=1, le=10**15)

    @field_validator("*", mode="before")
    @classmethod
    def refuse_unprintable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse line breaks and terminal codes: terminals show the values."""
        shown = info.field_name not in SECRETS
        if shown and isinstance(value, str) and not value.isprintable():
            raise ValueError("it has a line break or a control character")
        return value

    @field_validator("ollama_host")
    @classmethod
    def check_ollama_host(cls, host: str) -> str:
        """Accept a host or a URL whose port is a number, or nothing."""
        _ = urlsplit(host if "//" in host else f"//{host}").port
        return host

    @field_validator("ai")
    @classmethod
    def validate_ai(cls, ai: str) -> str:
        """Accept a provider's name, or `replay:` and a file."""
        names = ("", "openai", "ollama", "local", "none")
        if ai not in names and not ai.startswith("replay:"):
            raise ValueError(
                "give openai, ollama, local, none, or replay: and a file"
            )
        return ai

    @field_validator("host")
    @classmethod
    def ignore_host_names(cls, host: str) -> str:
        """Ignore names, as some systems set HOST to the machine's name."""
        try:
            return host if host == "localhost" else str(ip_address(host))
        except ValueError:
            return "127.0.0.1"

    @field_validator("presenter_key")
    @classmethod
    def check_presenter_key(cls, key: str) -> str:
        """Refuse a key that is short enough to guess."""
        if key and len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"give at least {MIN_KEY_LENGTH} characters")
        return key

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
    def bind_host(self) -> str:
        """The address to listen at: all with LAN=1, unless HOST is set."""
        everywhere = self.lan and self.host == "127.0.0.1"
        return "0.0.0.0" if everywhere else self.host

    @property
    def has_guests(self) -> bool:
        """Whether the app is served for others than this machine."""
        return self.lan or self.public_url != ""

    @property
    def graceful_seconds(self) -> float:
        """Seconds that replies have to finish when the server ends."""
        if self.graceful_timeout is not None:
            return self.graceful_timeout
        return 1.0 if self.reload else 10.0

    @property
    def limits(self) -> Limits:
        """The limits of rooms and connections."""
        names = {each.name for each in fields(Limits)}
        return Limits(**self.model_dump(include=names))

    def name_errors(self) -> dict[str, str]:
        """Return the names that were set and have no effect, each with why.

        Those are former names of settings, and names in `.env` that no
        setting has. The environment has names of other programs, too.
        """
        file = Path(str(self.model_config["env_file"])).name
        extra = self.model_extra or {}
        places = {name.upper(): file for name in extra if extra[name]}
        for name, value in os.environ.items():
            if value and name.upper() in RENAMED:
                places[name.upper()] = "the environment"
        known = [name.upper() for name in type(self).model_fields]
        errors = {}
        for name in sorted(places.keys() - DEPLOYMENT_NAMES):
            why = "" if name in RENAMED else "no setting has that name"
            if why and (near := get_close_matches(name, known, 1)):
                why += f"; the closest one is {near[0]}"
            errors[name] = ineffective_name(name, places[name], why)
        return errors


@cache
def settings() -> Settings:
    """Return the settings of this process, which are read once."""
    return Settings()
