"""The key in the presenter's link, without which their page does nothing."""

import os
from secrets import compare_digest, token_urlsafe
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..settings import Settings, settings


def with_key(choice: Settings) -> Settings:
    """The settings, with a key if others on this network may come in.

    It is made once, so that the link outlives a restart of the server.
    """
    if not choice.lan or choice.presenter_key:
        return choice
    os.environ["PRESENTER_KEY"] = token_urlsafe()
    settings.cache_clear()
    return settings()


def key() -> str:
    """The key as it stands in the link."""
    return quote(settings().presenter_key, safe="")


def banner(address: str) -> list[str]:
    """What the terminal says to the presenter, where others may come in.

    What follows the # reaches no server, and so no server's log.
    """
    if not settings().lan:
        return []
    return [f"For the presenter alone: {address}/presenter#{key()}"]


def check_key(request: Request) -> None:
    """Refuse whoever does not have the key."""
    given = request.headers.get("authorization", "")
    if not compare_digest(given.encode(), f"Bearer {key()}".encode()):
        raise HTTPException(403, "This takes the presenter’s link.")
