"""Parse the URL of a room, and the connection id in its query."""

import re
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

MAX_ID_LENGTH = 256
"""Characters that the id of a room or of a connection may have."""

OBJECT_PROPERTIES = [
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
"""Properties that every JavaScript object inherits: no connection's id."""

ROOM_PATH = re.compile(r"/parties/([^/]+)/([^/]+)/?")


def parse_room_path(scope: Scope) -> tuple[str, str]:
    """Return the party's name and the room's id; HTTPException 404 if none.

    The path is the raw one, in which a slash inside an id is still %2F.
    """
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    root = scope.get("app_root_path", "").encode()
    raw_path = raw_path.removeprefix(root)
    found = ROOM_PATH.fullmatch(raw_path.decode("ascii", "replace"))
    if found:
        party, room = (unquote(part, "latin-1") for part in found.groups())
        try:
            room = room.encode("latin-1").decode()
        except UnicodeDecodeError:
            found = None
    if not found or len(room) > MAX_ID_LENGTH:
        raise HTTPException(404, "A room is at /parties/PARTY/ROOM.")
    return party, room


def parse_connection_id(connection: HTTPConnection) -> str:
    """Return the id in the query (`_pk`), or a new one; HTTPException 400."""
    query = connection.scope["query_string"].decode("latin-1")
    id = dict(parse_qsl(query)).get("_pk") or uuid4().hex
    if len(id) > MAX_ID_LENGTH:
        raise HTTPException(400, "The connection's id is too long.")
    if id in OBJECT_PROPERTIES:
        raise HTTPException(400, "No connection can have this id.")
    return id
