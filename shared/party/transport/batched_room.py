"""What stands in for a room's two ways of saying something."""

import asyncio
from collections.abc import Collection, Hashable

from ..encoding import Frame, encode
from ..rooms import Connection, Room
from .batching_protocol import FastProtocol
from .broadcaster import Desk
from .frame_codec import parts, wrap
from .write_batcher import post_of

MAX_DIRECT = 64 * 1024
"""Characters of a frame that is written at once; a larger one is counted."""


def deliver(
    room: Room, frame: Frame, without: Collection[str], key: Hashable
) -> None:
    """Stand in for `Room.deliver`: give the room a desk, which does it."""
    desk = Desk(room.present, post_of(asyncio.get_running_loop()))
    room.deliver = desk.deliver  # type: ignore[method-assign]
    desk.deliver(frame, without, key)


def send(connection: Connection, message: object) -> None:
    """Stand in for `Connection.send`: it leaves with what is broadcast."""
    frame = encode(message)
    line: FastProtocol | None = connection.shortcut
    if line and connection.idle and len(frame) <= MAX_DIRECT:
        data = wrap(*parts(frame))
        line.write(data)
        line.post.close(len(data))
    else:
        connection.put(frame)
