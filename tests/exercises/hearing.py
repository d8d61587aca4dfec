"""Helpers of the exercises' checks that wait for frames."""

from typing import Any

from ..support.server_process import WebSocketClient, in_short

NO_SENSE: list[Any] = ["nonsense", "[]", b"\xff", {"type": "what?"}]
"""Frames that every room refuses."""


def hear_names(guest: WebSocketClient, type: str, *names: str) -> None:
    """Wait until a room tells somebody these names, and no others."""
    came = "nothing"
    while True:
        try:
            frame = guest.next()
        except TimeoutError:
            raise AssertionError(
                f"expected “{type}” with the names {list(names)}; came: {came}"
            ) from None
        if frame["type"] == type:
            came = str(frame.get("names"))
            if came == str(sorted(names)):
                return
        elif frame["type"] == "error":
            came = in_short(frame)


def hear_refusals(guest: WebSocketClient, *frames: Any) -> None:
    """Send what the room is to refuse, and wait for its words."""
    for frame in (*NO_SENSE, *frames):
        guest.send(frame)
        guest.wait_for("error")
