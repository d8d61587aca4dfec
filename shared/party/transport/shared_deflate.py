"""Compression for a whole room: RFC 7692, with one window for everybody."""

import zlib
from collections.abc import Sequence
from typing import Protocol

from .frame_codec import PACKED, wrap

SMALLEST = 256
"""Bytes of a frame that pays; so small ones keep no compressor alive."""

BITS, MEMORY = 14, 7
"""Of zlib: 16 KiB that one may refer to, and 128 KiB that it takes."""

OLD = 100
"""Frames after which a window is worth less than those who were left out."""

TAIL = b"\x00\x00\xff\xff"
"""How compressed data ends that can be read so far; it doesn't travel."""


class Inflater(Protocol):
    """A line, as far as compression goes."""

    window: "Window | None"
    """The window that its reader has followed from its start."""

    skipped: bool
    """Whether it missed a frame, and follows none any more."""

    @property
    def inflates(self) -> bool:
        """Whether its reader can."""


class Window:
    """A compressor, all of whose output its followers have got.

    A frame may refer to what was in those before it, so each has to have had
    all of them, in order. A window that starts afresh refers to nothing: one
    may begin with it at any time. Whoever is skipped once is left out.
    """

    def __init__(self, lines: Sequence[Inflater] = ()) -> None:
        self.used = 0
        self.deflate = zlib.compressobj(wbits=-BITS, memLevel=MEMORY)
        for line in lines:
            if line.inflates:
                line.window, line.skipped = self, False

    def wrap(self, kind: int, data: bytes) -> bytes:
        """A frame as it travels to the followers, who all have to get it."""
        self.used += 1
        packed = self.deflate.compress(data)
        packed += self.deflate.flush(zlib.Z_SYNC_FLUSH)
        return wrap(kind | PACKED, packed.removesuffix(TAIL))


def lacking(window: Window | None, lines: Sequence[Inflater]) -> bool:
    """Whether there are newcomers, or others have been left out for long."""
    if window is None:
        return any(line.inflates for line in lines)
    others = [line for line in lines if line.window is not window]
    old = window.used > OLD
    return any(
        line.inflates and (old or not (line.window or line.skipped))
        for line in others
    )
