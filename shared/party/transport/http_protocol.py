"""uvicorn's HTTP/1.1 protocol, bounded in headers, time and work."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue
from websockets.http11 import Request

from ..limits import MAX_HEADER_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from ..upgrade_check import RepeatedWarning

REQUEST_TIMEOUT = 15.0
"""Seconds from connecting to a complete request head, and for a body."""

MAX_EVENTS_PER_TURN = 16
"""Parser events that one connection may cause per event-loop iteration."""

MAX_SURPLUS_EVENTS = 1_000
"""Parser events after a request was answered before it was complete."""

REQUESTS_PER_TURN = 2
"""Requests and handshakes of all clients per event-loop iteration."""

TOO_MANY_HEADERS = (
    f"A request may have {MAX_HEADERS} headers and {MAX_HEADER_BYTES:,} bytes "
    "of them at most. It may be cookies that other servers of this host have "
    "set: delete them."
)
TOO_LONG_TARGET = f"An address may have {MAX_TARGET_BYTES:,} bytes at most."
TOO_SLOW = f"A request has to be complete within {REQUEST_TIMEOUT:.0f} seconds."


class BoundedParser(h11.Connection):
    """An h11 parser of requests with small heads, within a budget of events."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MAX_HEADER_BYTES)
        self.budget = MAX_EVENTS_PER_TURN
        self.is_paused = False
        self.requests = 0
        self.error: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        """Return the next event; h11.NEED_DATA once the budget is spent."""
        self.is_paused = not self.budget
        if self.is_paused:
            return h11.NEED_DATA
        self.budget -= 1
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self.requests += 1
                check_head(event)
        except h11.RemoteProtocolError as error:
            self.error = error
            raise
        return event


def check_head(request: h11.Request) -> None:
    """Raise h11.RemoteProtocolError for a head that is too large."""
    if len(request.target) > MAX_TARGET_BYTES:
        raise h11.RemoteProtocolError(TOO_LONG_TARGET, 414)
    size = sum(len(name) + len(value) + 4 for name, value in request.headers)
    if len(request.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise h11.RemoteProtocolError(TOO_MANY_HEADERS, 431)


class RequestQueue:
    """Spreads requests over event-loop iterations, in order of arrival.

    Else hundreds that come at once would hold up everybody until the last.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._soon = loop.call_soon
        self._waiting: deque[Callable[[], None]] = deque()
        self._left = REQUESTS_PER_TURN
        self._is_due = False

    def put(self, begin: Callable[[], None]) -> None:
        """Begin now, or in one of the next iterations."""
        if not self._is_due:
            self._is_due = True
            self._soon(self._next_turn)
        if self._left:
            self._left -= 1
            begin()
        else:
            self._waiting.append(begin)

    def _next_turn(self) -> None:
        batch = min(len(self._waiting), REQUESTS_PER_TURN)
        for _ in range(batch):
            self._soon(self._waiting.popleft())
        self._left = REQUESTS_PER_TURN - batch
        self._is_due = bool(batch)
        if self._is_due:
            self._soon(self._next_turn)


queues: WeakKeyDictionary[AbstractEventLoop, RequestQueue] = WeakKeyDictionary()


class PartyHTTP(H11Protocol):
    """HTTP of which no client can send too much, too slowly or at once."""

    warning = RepeatedWarning(f"A request was refused. {TOO_MANY_HEADERS}")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn: BoundedParser = BoundedParser()
        self._deadline: TimerHandle | None = None
        self._awaited: tuple[int, Any] | None = None
        self._is_upgraded = False
        self._surplus = 0
        self._held = b""
        self._is_queued = False
        if self.loop not in queues:
            queues[self.loop] = RequestQueue(self.loop)
        self._queue = queues[self.loop]

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self.flow = FlowControl(self)  # type: ignore[arg-type]
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._clear_deadline()
        super().connection_lost(exc)

    def pause_reading(self) -> None:
        """Pause on behalf of the flow control."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume on behalf of the flow control, unless there is work left."""
        if not (self.conn.is_paused or self._is_queued):
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what comes when it is its turn."""
        self._held += data
        if not self._is_queued:
            self._is_queued = True
            self._queue.put(self._begin)
        if self._is_queued:
            self.transport.pause_reading()

    def _begin(self) -> None:
        data, self._held = self._held, b""
        self._is_queued = False
        if not self.transport.is_closing():
            if not self.flow.read_paused:
                self.resume_reading()
            self.receive(data)

    def receive(self, data: bytes) -> None:
        """Parse what has come."""
        super().data_received(data)

    def handle_events(self) -> None:
        """Handle what has come, as far as the budget of this turn goes."""
        self.conn.budget = MAX_EVENTS_PER_TURN
        was_paused, self.conn.is_paused = self.conn.is_paused, False
        super().handle_events()
        if self._is_upgraded or self.transport.is_closing():
            self._clear_deadline()
            return
        is_answered = self.cycle and self.cycle.response_complete
        if is_answered and self.conn.their_state is h11.SEND_BODY:
            self._surplus += MAX_EVENTS_PER_TURN - self.conn.budget
            if self._surplus > MAX_SURPLUS_EVENTS:
                self._clear_deadline()
                self.transport.close()
                return
        if self.conn.is_paused:
            self.transport.pause_reading()
            self.loop.call_soon(self.handle_events)
        elif was_paused and not self.flow.read_paused:
            self.transport.resume_reading()
        self._set_deadline()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Go on as a WebSocket, if the headers are those of one."""
        headers = Headers()
        try:
            for name, value in self.headers:
                headers[name.decode()] = value.decode("latin-1")
        except InvalidHeaderValue:
            self.send_400_response("A header has an invalid value.")
            return
        method, target = event.method.decode(), event.target.decode()
        self.upgrade(
            Request(target, headers, method), self.conn.trailing_data[0]
        )

    def upgrade(self, request: Request, data: bytes = b"") -> None:
        """Go on as a WebSocket, of which `data` has come already."""
        self._is_upgraded = True
        self._clear_deadline()
        self.connections.discard(self)
        protocol: Any = self.ws_protocol_class
        line = protocol(self.config, self.server_state, self.app_state)
        line.connection_made(self.transport)
        self.transport.set_protocol(line)
        line.greet(request)
        if data:
            line.data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refuses, with the status that it names."""
        error = self.conn.error
        status = error.error_status_hint if error else 400
        if error and status in (414, 431):
            msg = TOO_MANY_HEADERS if status == 431 else str(error)
        if status == 431:
            self.warning.log()
        self.refuse(status, msg)

    def refuse(self, status: int, words: str) -> None:
        """Answer instead of the app, where it has not yet, and close."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reason = HTTPStatus(status).phrase
            body = f"{words}\n".encode()
            headers = [
                ("content-type", "text/plain; charset=utf-8"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            for event in (
                h11.Response(
                    status_code=status, headers=headers, reason=reason
                ),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _set_deadline(self) -> None:
        """Start the clock when another head or body begins to be awaited."""
        state = self.conn.their_state
        is_due = state in (h11.IDLE, h11.SEND_BODY)
        awaited = (self.conn.requests, state) if is_due else None
        if awaited != self._awaited:
            self._clear_deadline()
            self._awaited = awaited
            if awaited:
                self._deadline = self.loop.call_later(
                    REQUEST_TIMEOUT, self._time_out
                )

    def _clear_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self._awaited = None

    def _time_out(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self.refuse(408, TOO_SLOW)
        else:
            self.transport.close()
