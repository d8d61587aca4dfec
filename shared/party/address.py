"""Which room a URL names."""

import re
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.types import Scope

LONGEST_ID = 256
"""Characters that the id of a room or of a connection may have."""

ADDRESS = re.compile(r"/parties/([^/]+)/([^/]+)/?")


def address(scope: Scope) -> tuple[str, str]:
    """The party and the room's id that a URL names, or a 404.

    Read from the raw path, in which an id's own slash is still %2F.
    """
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    found = ADDRESS.fullmatch(raw_path.decode("ascii", "replace"))
    if found:
        party, room = (unquote(part, "latin-1") for part in found.groups())
        try:
            room = room.encode("latin-1").decode()
        except UnicodeDecodeError:
            found = None
    if not found or len(room) > LONGEST_ID:
        raise HTTPException(404, "A room is at /parties/PARTY/ROOM.")
    return party, room
