"""Compression of frames, one compressor per room: RFC 7692."""

import zlib
from collections.abc import Sequence
from typing import Protocol

from websockets.exceptions import NegotiationError
from websockets.extensions.base import Extension, ServerExtensionFactory
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.typing import ExtensionName, ExtensionParameter

from .frame_codec import RSV1, serialize

MIN_COMPRESSED_BYTES = 256
"""Size from which compression pays; smaller frames need no compressor."""

WINDOW_BITS, MEMORY_LEVEL = 14, 7
"""For zlib: a window of 16 KiB, and 128 KiB of memory for a compressor."""

MAX_FRAMES_WITHOUT_ALL = 100
"""Frames after which a reset pays, for connections that missed one."""

FLUSH_TRAILER = b"\x00\x00\xff\xff"
"""The end of flushed deflate data, which is not transmitted."""

ACCEPTED_PARAMETERS: dict[str, set[str | None]] = {
    "client_no_context_takeover": {None},
    "client_max_window_bits": {None, *(str(bits) for bits in range(8, 16))},
}
"""Parameters that an offer may have, and the values of each."""


class CompressedConnection(Protocol):
    """A connection, as far as compression goes."""

    compressor: "SharedDeflate | None"
    """The compressor all of whose frames it has received."""

    missed_frame: bool
    """Whether it missed a compressed frame, and so can follow none."""

    @property
    def accepts_deflate(self) -> bool:
        """Whether its client can inflate frames."""


class SharedDeflate:
    """A compressor whose output goes to many connections.

    A frame may refer to those before it, so each of these connections needs
    all frames, in order. A new compressor refers to nothing earlier: every
    connection can start with it. One that misses a frame is left out.
    """

    def __init__(
        self, connections: Sequence[CompressedConnection] = ()
    ) -> None:
        self.frame_count = 0
        self._deflate = zlib.compressobj(
            wbits=-WINDOW_BITS, memLevel=MEMORY_LEVEL
        )
        for connection in connections:
            if connection.accepts_deflate:
                connection.compressor = self
                connection.missed_frame = False

    def serialize(self, first: int, payload: bytes) -> bytes:
        """Return a compressed frame, which each connection has to receive."""
        self.frame_count += 1
        data = self._deflate.compress(payload)
        data += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return serialize(first | RSV1, data.removesuffix(FLUSH_TRAILER))


def needs_reset(
    compressor: SharedDeflate | None,
    connections: Sequence[CompressedConnection],
) -> bool:
    """Whether some are new, or have been left out for long."""
    if compressor is None:
        return any(each.accepts_deflate for each in connections)
    others = [each for each in connections if each.compressor is not compressor]
    is_due = compressor.frame_count > MAX_FRAMES_WITHOUT_ALL
    return any(
        each.accepts_deflate
        and (is_due or not (each.compressor or each.missed_frame))
        for each in others
    )


class Inflate(PerMessageDeflate):
    """The negotiated extension; it compresses nothing by itself."""

    def encode(self, frame: Frame) -> Frame:
        """Leave a frame as it is: this one may not go to everybody."""
        return frame


class DeflateFactory(ServerExtensionFactory):
    """Accepts permessage-deflate, unless it limits the server's window.

    Clients compress without context takeover: their messages are short, and
    a window for each would take more memory than the rest of a connection.
    """

    name = ExtensionName("permessage-deflate")

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], Extension]:
        """Answer an offer; raise NegotiationError to decline it."""
        for name, value in params:
            if value not in ACCEPTED_PARAMETERS.get(name, ()):
                raise NegotiationError(f"{name} is not for a shared window")
        if len(dict(params)) < len(params):
            raise NegotiationError("a parameter is repeated")
        answer: list[ExtensionParameter] = [
            ("client_no_context_takeover", None)
        ]
        return answer, Inflate(True, True, 15, 15)


DEFLATE_FACTORY = DeflateFactory()
