"""Every setting there is, read from the environment and from `.env`."""

import os
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from .limits import LimitSettings
from .party.storage.url import Stored
from .web.addresses import AddressSettings

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the stages."""


MIN_KEY_LENGTH = 16
"""Characters of the presenter's key."""


SECRETS = {"presenter_key", "cookie_secret", "openai_api_key"}
"""Settings that are never written to the terminal."""


class Settings(AddressSettings, LimitSettings):
    """What `.env.example` documents; the environment wins over `.env`."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", ROOT / ".env"),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=1999, ge=0, le=65535)
    lan: bool = False
    reload: bool = True
    fast: bool = True
    grace: float | None = Field(default=None, ge=0, le=3_600)
    country_header: str = Field(default="", pattern="^[A-Za-z0-9_-]*$")
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
    ai_timeout: float = Field(default=30.0, gt=0, le=3_600)
    ai_first_token_timeout: float | None = Field(default=None, gt=0, le=3_600)
    ai_reply_timeout: float = Field(default=300.0, gt=0, le=3_600)
    should_reply: bool = False
    should_reply_model: str = ""

    @field_validator("*", mode="before")
    @classmethod
    def refuse_unprintable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse line breaks and terminal codes where they would be shown."""
        shown = info.field_name not in SECRETS
        if shown and isinstance(value, str) and not value.isprintable():
            raise ValueError("it has a line break or a control character")
        return value

    @field_validator("ollama_host")
    @classmethod
    def parse_ollama_host(cls, host: str) -> str:
        """Accept what has a host and a port, if any at all."""
        _ = urlsplit(host if "//" in host else f"//{host}").port
        return host

    @field_validator("ai")
    @classmethod
    def what_answers(cls, ai: str) -> str:
        """Take a provider, or a file of replies that can be played back."""
        if ai.startswith("replay:"):
            # Imported late, as it needs this module.
            from .ai.replay.recordings import parse_replay, read_recordings

            read_recordings(parse_replay(ai)[0])
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

    @field_validator("presenter_key")
    @classmethod
    def check_presenter_key(cls, key: str) -> str:
        """Accept no key that could be guessed."""
        if key and len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"give at least {MIN_KEY_LENGTH} characters")
        return key

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
