"""The app's URL for the audience, also as a QR code."""

import io
import os
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache

import segno
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..settings import settings
from .lan import lan_addresses

NO_NETWORK = (
    "LAN=1 finds no network: set HOST to this machine's address in it, or "
    "PUBLIC_URL to that of a tunnel."
)

QR_SHOWN_ENV = "QR_CODE_SHOWN"
"""Set when the terminal has shown the QR code; a reload does not repeat it."""

LIGHT_ON_DARK = "\033[38;5;231;48;5;16m{}\033[0m"
"""White and black of the 256 colours, which no theme changes."""


@dataclass
class Invitation:
    """A URL for the audience, which the pages show."""

    address: str

    @property
    def qr_code(self) -> str:
        """The QR code as a data URL, dark on white."""
        return qr_code_url(self.address)


@lru_cache(maxsize=4)
def qr_code_url(address: str) -> str:
    """Return the QR code of an address as a data URL."""
    return segno.make_qr(address).svg_data_uri(light="#fff")


def get_invitation(request: Request) -> Invitation | None:
    """Return the invitation, or None if only this machine can connect."""
    _, port = request.scope["server"]
    return next((Invitation(each) for each in join_urls(port)), None)


async def show_invitation(request: Request) -> Response:
    """Answer with the address and its QR code; 404 if there is none."""
    invitation = get_invitation(request)
    if invitation is None:
        raise HTTPException(404)
    content = {"address": invitation.address, "qr_code": invitation.qr_code}
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def join_urls(port: int) -> list[str]:
    """Return the app's URLs for the audience, the best first."""
    choice = settings()
    if choice.public_url:
        return [choice.public_url.rstrip("/") + "/"]
    if not choice.lan:
        return []
    host = choice.bind_host
    hosts = lan_addresses() if host in ("0.0.0.0", "::") else [host]
    return [f"http://{format_netloc(each, port)}/" for each in hosts]


def format_netloc(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def invitation_banner(port: int) -> list[str]:
    """Return the terminal's lines for the audience."""
    best, *others = join_urls(port) or [""]
    if not best:
        return [NO_NETWORK] if settings().lan else []
    lines = [f"Others join at {best}", *terminal_qr_code(best)]
    return lines + [f"or at {each}" for each in others]


def terminal_qr_code(address: str) -> list[str]:
    """Return the lines of the QR code, if this terminal can show it."""
    text = io.StringIO()
    segno.make_qr(address).terminal(text, compact=True)
    lines = text.getvalue().splitlines()
    if not can_display(lines):
        return []
    return [LIGHT_ON_DARK.format(each) for each in lines]


def can_display(lines: list[str]) -> bool:
    """Whether standard output is a terminal that can show these lines."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    if QR_SHOWN_ENV in os.environ:
        return False
    try:
        lines[0].encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return shutil.get_terminal_size().columns >= len(lines[0])
