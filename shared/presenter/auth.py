"""Check the key in the presenter's link, which their page needs."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from tempfile import TemporaryDirectory
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ..chat.moderation import STATE_FILE_ENV
from ..party import TokenBucket
from ..party.message_rate_limiter import MAX_SENDERS, client_network
from ..settings import Settings, settings
from ..web.browser_id import get_browser_id, sign
from ..web.origin_policy import OriginPolicy

COOKIE = "party-chat-presenter"

WRONG_GUESSES_PER_MINUTE = 10

TOO_MANY_GUESSES = (
    429,
    "Too many wrong keys came from your address. Wait a minute.",
    {"Retry-After": "60"},
)


def ensure_key(choice: Settings) -> Settings:
    """Return the settings with a cookie secret, and a key for guests' apps.

    Both go to the environment, so that links and cookies survive a reload.
    """
    if not choice.cookie_secret:
        os.environ["COOKIE_SECRET"] = token_urlsafe()
    settings.cache_clear()
    return add_key() if accepts_guests(choice) else settings()


def add_key() -> Settings:
    """Return the settings with a key, a new one if none is set."""
    if not settings().presenter_key:
        os.environ["PRESENTER_KEY"] = token_urlsafe()
        settings.cache_clear()
    return settings()


def accepts_guests(choice: Settings) -> bool:
    """Whether others can open the app, and a presenter sees this terminal."""
    return choice.lan or bool(choice.public_url and sys.stdout.isatty())


@contextmanager
def persist_moderation() -> Iterator[None]:
    """Let moderation survive reloads of the server during the block."""
    with ExitStack() as stack:
        if settings().presenter_key:
            with suppress(OSError):  # it may not be allowed to write
                folder = stack.enter_context(TemporaryDirectory())
                os.environ[STATE_FILE_ENV] = str(Path(folder) / "rules.json")
        yield


def quoted_key() -> str:
    """Return the key as it is in the link."""
    return quote(settings().presenter_key, safe="")


def presenter_banner(addresses: Sequence[str]) -> list[str]:
    """Return the terminal's lines with the presenter's link, if it has a key.

    There is one for each address, as cookies belong to a host. The key is in
    the URL's fragment, which no server gets to log. Nor may a log of the
    output have it: without LAN=1, it is only shown in a terminal.
    """
    is_shown = settings().lan or sys.stdout.isatty()
    if not (quoted_key() and is_shown):
        return []
    origins = dict.fromkeys(each.rstrip("/") for each in addresses)
    best, *others = [f"{each}/presenter#{quoted_key()}" for each in origins]
    return [f"For the presenter alone: {best}", *(f"or: {e}" for e in others)]


class KeyGuard:
    """Check the key, and limit wrong guesses.

    An address has ten wrong guesses per minute. A browser that had the key
    once is exempt by a signed cookie, so that others at its address cannot
    lock it out; and rooms recognize the presenter's messages by it.
    """

    def __init__(self, policy: OriginPolicy) -> None:
        self.policy = policy
        self._browsers: set[str] = set()
        # By address: its bucket, made anew for one that was dropped.
        self._guesses_of = lru_cache(MAX_SENDERS)(
            lambda address: TokenBucket(
                WRONG_GUESSES_PER_MINUTE / 60, WRONG_GUESSES_PER_MINUTE
            )
        )

    def check(self, request: Request) -> None:
        """Raise HTTPException if the request lacks the key."""
        given = request.headers.get("authorization", "").encode()
        had_key = has_cookie(request)
        guesses = self._guesses_of(client_network(request))
        if not had_key and not guesses.try_consume():
            raise HTTPException(*TOO_MANY_GUESSES)
        if not compare_digest(given, f"Bearer {quoted_key()}".encode()):
            raise HTTPException(403, "This takes the presenter’s link.")
        if not had_key:
            guesses.tokens += 1  # give the guess back
        self._browsers.add(get_browser_id(request).browser)

    def is_presenter(self, connection: HTTPConnection) -> bool:
        """Whether a browser has shown the key, even after its handshake."""
        identity = get_browser_id(connection)
        return has_cookie(connection) or (
            identity.is_proven and identity.browser in self._browsers
        )

    def set_cookie(self, request: Request, response: Response) -> None:
        """Set the cookie of a browser that has shown the key."""
        response.set_cookie(
            COOKIE,
            cookie_value(),
            path=f"{self.policy.root_path}/",
            secure=self.policy.is_https(request.scope),
            httponly=True,
            samesite="strict",
        )


def has_cookie(connection: HTTPConnection) -> bool:
    """Whether a browser sends the cookie for the current key."""
    given = connection.cookies.get(COOKIE, "")
    return compare_digest(given.encode(), cookie_value().encode())


def cookie_value() -> str:
    """Return the cookie's value for the current key."""
    return sign(f"presenter {quoted_key()}")
