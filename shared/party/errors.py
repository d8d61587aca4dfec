"""What a hook raises to answer whoever sent something wrong."""

from collections.abc import Awaitable
from typing import Any


class Refused(Exception):
    """Something sent was not taken; `message` says why, to a person.

    Raised in a hook, it goes to the one connection that caused it, as
    `{"type": "error", "message": …, "id": …}`, and the room goes on. With
    `retry_after`, the same may be sent again after so many seconds.
    """

    def __init__(
        self,
        message: object,
        id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.frame: dict[str, Any] = {"type": "error", "message": str(message)}
        if id is not None:
            self.frame["id"] = id
        if retry_after is not None:
            self.frame["retry_after"] = retry_after


class Repeated(Refused):
    """A message that is already kept came again: acknowledged once more."""

    def __init__(self, id: str, seq: int) -> None:
        super().__init__("This message is already kept.")
        self.frame = {"type": "ack", "id": id, "seq": seq}


class Asked(Refused):
    """Not something to be kept, but a question: it has an answer."""

    def __init__(self, answer: Awaitable[object]) -> None:
        super().__init__("This is a question.")
        self.answer = answer
