"""What stands in for a room's two ways of saying something."""

import asyncio
from collections.abc import Collection, Hashable

from ..encoding import Frame, encode
from ..rooms import Connection, Room
from .batching_protocol import BatchingProtocol
from .broadcaster import Broadcaster
from .frame_codec import encode_payload, serialize
from .write_batcher import get_write_batcher

MAX_DIRECT = 64 * 1024
"""Characters of a frame that is written at once; a larger one is counted."""


def deliver(
    room: Room, frame: Frame, without: Collection[str], key: Hashable
) -> None:
    """Stand in for `Room.deliver`: give the room a broadcaster."""
    broadcaster = Broadcaster(
        room.present, get_write_batcher(asyncio.get_running_loop())
    )
    room.deliver = broadcaster.deliver  # type: ignore[method-assign]
    broadcaster.deliver(frame, without, key)


def send(connection: Connection, message: object) -> None:
    """Stand in for `Connection.send`: it leaves with what is broadcast."""
    frame = encode(message)
    line: BatchingProtocol | None = connection.shortcut
    if line and connection.idle and len(frame) <= MAX_DIRECT:
        data = serialize(*encode_payload(frame))
        line.write(data)
        line.batcher.schedule(len(data))
    else:
        connection.put(frame)
