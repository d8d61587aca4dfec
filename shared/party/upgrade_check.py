"""Detect WebSocket handshakes that a proxy has turned into plain requests."""

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
"""Seconds between two equal lines in the log."""


class RepeatedWarning:
    """A warning that is logged at most once a minute."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._logged_at = -WARNING_INTERVAL

    def log(self) -> None:
        """Log the warning, unless that was done within a minute."""
        if time.monotonic() - self._logged_at >= WARNING_INTERVAL:
            self._logged_at = time.monotonic()
            logger.warning(self.text)


class UpgradeCheck:
    """Refuse such requests, and log a warning."""

    def __init__(self) -> None:
        self.warning = RepeatedWarning(NO_UPGRADE)

    def check(self, request: Request) -> None:
        """Raise HTTPException 426 for a request that was a handshake."""
        if "sec-websocket-key" not in request.headers:
            return
        self.warning.log()
        raise HTTPException(426, NO_UPGRADE, {"Upgrade": "websocket"})
