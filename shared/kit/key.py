"""The key in the presenter's link, without which their page does nothing."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from tempfile import TemporaryDirectory
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..house import KEPT
from ..settings import Settings, settings


def with_key(choice: Settings) -> Settings:
    """The settings, with a key if others may come in, and a cookie secret.

    They are made once, so that links and cookies outlive a restart.
    """
    if not choice.cookie_secret:
        os.environ["COOKIE_SECRET"] = token_urlsafe()
    if not choice.presenter_key and invites(choice):
        os.environ["PRESENTER_KEY"] = token_urlsafe()
    settings.cache_clear()
    return settings()


def invites(choice: Settings) -> bool:
    """Whether others may come in, and somebody looks at this terminal.

    With a `PUBLIC_URL`, a log may be all that there is.
    """
    return choice.lan or bool(choice.public_url and sys.stdout.isatty())


@contextmanager
def lasting() -> Iterator[None]:
    """As long as the block lasts, one server takes up the other's rules."""
    with ExitStack() as stack:
        if settings().presenter_key:
            with suppress(OSError):  # it may not be allowed to write
                folder = stack.enter_context(TemporaryDirectory())
                os.environ[KEPT] = str(Path(folder) / "rules.json")
        yield


def key() -> str:
    """The key as it stands in the link."""
    return quote(settings().presenter_key, safe="")


def banner(address: str) -> list[str]:
    """What the terminal says to the presenter, where others may come in.

    What follows the # reaches no server, and so no server's log.
    """
    if not invites(settings()):
        return []
    return [f"For the presenter alone: {address}/presenter#{key()}"]


def check_key(request: Request) -> None:
    """Refuse whoever does not have the key."""
    given = request.headers.get("authorization", "")
    if not compare_digest(given.encode(), f"Bearer {key()}".encode()):
        raise HTTPException(403, "This takes the presenter’s link.")
