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

from ..upgrade_check import RepeatedWarning
from .http_parser import (
    MAX_EVENTS_PER_ITERATION,
    TOO_MANY_HEADERS,
    BoundedParser,
)

REQUEST_TIMEOUT = 15.0
"""Seconds from connecting to a complete request head, and for a body."""

MAX_SURPLUS_EVENTS = 1_000
"""Parser events after a request was answered before it was complete."""

REQUESTS_PER_ITERATION = 2
"""Requests and handshakes of all clients per event-loop iteration."""

REQUEST_TIMED_OUT = (
    f"A request has to be complete within {REQUEST_TIMEOUT:.0f} seconds."
)


class RequestQueue:
    """Spreads requests over event-loop iterations, in order of arrival.

    Hundreds that come at once would otherwise delay everybody else.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._soon = loop.call_soon
        self._waiting: deque[Callable[[], None]] = deque()
        self._left = REQUESTS_PER_ITERATION
        self._is_due = False

    def put(self, begin: Callable[[], None]) -> None:
        """Call `begin` now, or in one of the next iterations."""
        if not self._is_due:
            self._is_due = True
            self._soon(self._next_iteration)
        if self._left:
            self._left -= 1
            begin()
        else:
            self._waiting.append(begin)

    def _next_iteration(self) -> None:
        batch = min(len(self._waiting), REQUESTS_PER_ITERATION)
        for _ in range(batch):
            self._soon(self._waiting.popleft())
        self._left = REQUESTS_PER_ITERATION - batch
        self._is_due = bool(batch)
        if self._is_due:
            self._soon(self._next_iteration)


request_queues: WeakKeyDictionary[AbstractEventLoop, RequestQueue] = (
    WeakKeyDictionary()
)


class BoundedHTTP(H11Protocol):
    """HTTP with limits for what one client, or all at once, may send."""

    warning = RepeatedWarning(f"A request was refused. {TOO_MANY_HEADERS}")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn: BoundedParser = BoundedParser()
        self._deadline: TimerHandle | None = None
        self._awaited: tuple[int, Any] | None = None
        self._is_upgraded = False
        self._surplus = 0
        self._received = b""
        self._is_queued = False
        if self.loop not in request_queues:
            request_queues[self.loop] = RequestQueue(self.loop)
        self._queue = request_queues[self.loop]

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request."""
        super().connection_made(transport)
        self.flow = FlowControl(self)  # type: ignore[arg-type]
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
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
        """Parse what comes once the request queue allows it."""
        self._received += data
        if not self._is_queued:
            self._is_queued = True
            self._queue.put(self._parse_received)
        if self._is_queued:
            self.transport.pause_reading()

    def _parse_received(self) -> None:
        data, self._received = self._received, b""
        self._is_queued = False
        if not self.transport.is_closing():
            if not self.flow.read_paused:
                self.resume_reading()
            self.receive(data)

    def receive(self, data: bytes) -> None:
        """Parse received bytes."""
        super().data_received(data)

    def handle_events(self) -> None:
        """Handle parser events, as many as one loop iteration may take."""
        self.conn.budget = MAX_EVENTS_PER_ITERATION
        was_paused, self.conn.is_paused = self.conn.is_paused, False
        super().handle_events()
        if self._is_upgraded or self.transport.is_closing():
            self._clear_deadline()
            return
        is_answered = self.cycle and self.cycle.response_complete
        if is_answered and self.conn.their_state is h11.SEND_BODY:
            self._surplus += MAX_EVENTS_PER_ITERATION - self.conn.budget
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
        """Switch to a WebSocket, unless a header is invalid."""
        headers = Headers()
        try:
            for name, value in self.headers:
                headers[name.decode()] = value.decode("latin-1")
        except InvalidHeaderValue:
            self.send_400_response("A header has an invalid value.")
            return
        method, target = event.method.decode(), event.target.decode()
        self.switch_to_websocket(
            Request(target, headers, method), self.conn.trailing_data[0]
        )

    def switch_to_websocket(self, request: Request, data: bytes = b"") -> None:
        """Pass the socket on to the WebSocket protocol, and `data` after it."""
        self._is_upgraded = True
        self._clear_deadline()
        self.connections.discard(self)
        protocol: Any = self.ws_protocol_class
        websocket = protocol(self.config, self.server_state, self.app_state)
        websocket.connection_made(self.transport)
        self.transport.set_protocol(websocket)
        websocket.accept_handshake(request)
        if data:
            websocket.data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that the parser refuses, with its status."""
        error = self.conn.error
        status = error.error_status_hint if error else 400
        if error and status in (414, 431):
            msg = TOO_MANY_HEADERS if status == 431 else str(error)
        if status == 431:
            self.warning.log()
        self.send_error(status, msg)

    def send_error(self, status: int, text: str) -> None:
        """Answer with an error unless the app has begun to, and close."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reason = HTTPStatus(status).phrase
            body = f"{text}\n".encode()
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
            self.send_error(408, REQUEST_TIMED_OUT)
        else:
            self.transport.close()
