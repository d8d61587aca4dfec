"""How a room tells everybody something, and one connection something."""

from collections.abc import Collection, Hashable

from ..party.frames import Frame, encode
from ..party.rooms import Connection, Room
from .frames import wrap
from .post import Post


def deliver(
    room: Room, frame: Frame, without: Collection[str], key: Hashable
) -> None:
    """Stand in for `Room.deliver`: the frame is built once for all."""
    data, post = wrap(frame), None
    for connection in room.connections():
        if connection.id in without:
            continue
        if connection.shortcut and connection.idle:
            post = connection.shortcut.post
            post.add(connection, data)
        else:
            connection.put(frame, key)
    if post:
        post.close(len(data))


def send(connection: Connection, message: object) -> None:
    """Stand in for `Connection.send`: it leaves with what is broadcast."""
    frame = encode(message)
    if connection.shortcut and connection.idle:
        data = wrap(frame)
        post: Post = connection.shortcut.post
        post.add(connection, data)
        post.close(len(data))
    else:
        connection.put(frame)
