"""The exceptions that a hook raises to answer the sender of a message."""

from typing import Any


class MessageRejected(Exception):
    """A message is not accepted; `message` tells a person why.

    Raised in a hook, it is sent to the connection that caused the hook, as
    `{"type": "error", "message": …, "id": …}`, and the room continues. With
    `retry_after`, the client may send the same again after so many seconds.
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


class DuplicateMessage(MessageRejected):
    """A message that is stored already: it is acknowledged once more."""

    def __init__(self, id: str, seq: int) -> None:
        super().__init__("This message is already kept.")
        self.frame = {"type": "ack", "id": id, "seq": seq}
