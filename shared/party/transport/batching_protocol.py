"""The project's WebSocket protocol, with a short way in and out."""

from typing import Any, Protocol

from ..encoding import SharedFrame
from ..frame_rate_limiter import Gate
from ..rooms import Connection
from .direct_reader import ReadingProtocol
from .frame_codec import head
from .frame_reader import TEXT
from .shared_deflate import Window
from .write_batcher import post_of


class Desk(Protocol):
    """What a room writes to many at once."""

    def leave(self, line: "FastProtocol") -> None:
        """Let a line have what is common so far, and no more."""


class FastProtocol(ReadingProtocol):
    """Writes what is `pending` itself, past ASGI, once in a turn.

    Offers itself to the outbox, as `scope["extensions"]["party.shortcut"]`.
    Who does not keep up is left to that: it waits, counts and evicts.
    """

    reader: Connection | None = None
    """Whom frames go to, and from whom they come."""

    desk: Desk | None = None
    window: Window | None = None
    skipped = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pending: list[bytes] = []
        self.post = post_of(self.loop)

    def handle_connect(self, event: Any) -> None:
        """Take a handshake, and offer the shortcut with it."""
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["party.shortcut"] = self

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that leads back here: else it would be garbage."""
        self.go_apart()
        super().connection_lost(exc)
        self.conn.parser_exc = None
        self.window = self.desk = self.reader = None
        del self.conn.parser
        extensions = getattr(self, "scope", {}).get("extensions", {})
        for name in ("party.line", "party.shortcut"):
            extensions.pop(name, None)

    def begin(self, connection: Connection, gate: Gate) -> None:
        """Begin to be somebody's line, in a room."""
        super().begin(connection, gate)
        self.reader, self.hear = connection, gate.admit

    def pause_writing(self) -> None:
        """Leave a reader that doesn't take what is written to the outbox."""
        super().pause_writing()
        if self.reader and not self.close_sent:
            self.reader.watch()

    @property
    def open(self) -> bool:
        """Whether anything can still be written."""
        closing = self.close_sent or self.transport.is_closing()
        return bool(self.reader) and not closing

    def handle_close(self, event: Any) -> None:
        """Write what was said before the end, and nothing after it."""
        self.flush()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """Write what was said before the end, and nothing after it."""
        self.flush()
        super().handle_parser_exception()

    def hang_up(self, code: int, reason: str) -> None:
        """Write nothing any more but the end."""
        self.go_apart()
        super().hang_up(code, reason)

    def go_apart(self) -> None:
        """Have in one's own time what is said to all."""
        if self.desk:
            self.desk.leave(self)

    def write(self, data: bytes) -> None:
        """Write when the turn ends, if it is not for all in the room."""
        self.go_apart()
        if not self.pending:
            self.post.add(self)
        self.pending.append(data)

    def write_now(self, data: bytes) -> None:
        """Write."""
        if self.open:
            self.transport.write(data)

    def write_shared(self, frame: SharedFrame) -> None:
        """Write a frame without a copy: all transports refer to its bytes."""
        self.flush()
        self.write_now(head(TEXT, len(frame.data)))
        self.write_now(frame.data)

    def flush(self) -> None:
        """Write what is pending."""
        self.go_apart()
        if self.pending:
            pending, self.pending = self.pending, []
            self.write_now(b"".join(pending))

    async def send(self, message: Any) -> None:
        """Send by ASGI, behind what is pending."""
        self.flush()
        await super().send(message)

    def shutdown(self) -> None:
        """Close as the server ends, behind what is pending."""
        self.flush()
        super().shutdown()
