"""WebSocket handshakes that a proxy has turned into plain requests."""

import logging
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request

logger = logging.getLogger("party")

NO_UPGRADE = (
    "A WebSocket handshake came without its Upgrade header: a proxy drops it. "
    "It has to pass on Upgrade and Connection, by HTTP/1.1."
)
WARNING_INTERVAL = 60.0
"""Seconds between two lines in the log that say so."""


class UpgradeCheck:
    """Refuses such requests, and logs that."""

    def __init__(self) -> None:
        self.warned_at = -WARNING_INTERVAL

    def check(self, request: Request) -> None:
        """Raise a 426 for a request that was a handshake."""
        if "sec-websocket-key" not in request.headers:
            return
        if time.monotonic() - self.warned_at >= WARNING_INTERVAL:
            self.warned_at = time.monotonic()
            logger.warning(NO_UPGRADE)
        raise HTTPException(426, NO_UPGRADE, {"Upgrade": "websocket"})
