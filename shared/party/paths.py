"""Which room a URL names."""

import re
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

LONGEST_ID = 256
"""Characters that the id of a room or of a connection may have."""

INHERITED = [
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
]
"""What every object in a page has, so that it cannot tell it from an id."""

ADDRESS = re.compile(r"/parties/([^/]+)/([^/]+)/?")


def address(scope: Scope) -> tuple[str, str]:
    """The party and the room's id that a URL names, or a 404.

    Read from the raw path, in which an id's own slash is still %2F.
    """
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    root = scope.get("app_root_path", "").encode()
    raw_path = raw_path.removeprefix(root)
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


def connection_id(connection: HTTPConnection) -> str:
    """The id that a newcomer asks for, else a new one; or a 400."""
    query = connection.scope["query_string"].decode("latin-1")
    id = dict(parse_qsl(query)).get("_pk") or uuid4().hex
    if len(id) > LONGEST_ID:
        raise HTTPException(400, "The connection's id is too long.")
    if id in INHERITED:
        raise HTTPException(400, "No connection can have this id.")
    return id
