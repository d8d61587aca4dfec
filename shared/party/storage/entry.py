"""Entries of a log, and the errors for those that a log refuses."""

from typing import ClassVar, Self

from pydantic import BaseModel

from ..errors import DuplicateMessage, MessageRejected


class Entry(BaseModel):
    """The base class of what a log holds; a subclass adds fields."""

    id: str = ""
    """Unique in the log; the empty string stands for no id."""

    seq: int | None = None
    """The sequence number in the log, from 0; set by the log."""

    is_retried: ClassVar[bool] = False
    """Whether a failed write is retried in the background, not refused.

    Such an entry needs an id, so that it is stored once.
    """

    @property
    def is_open(self) -> bool:
        """Override: return whether the entry still grows."""
        return False

    def accumulate(self, previous: Self | None) -> None:
        """Override to compute a running total just before it is stored.

        `previous` is the newest entry of the log, whichever process wrote it.
        """

    def on_load(self) -> None:
        """Override to correct an entry that a crashed process left behind."""

    def to_frame(self) -> object:
        """Override: return the frame for a room that has missed this entry."""


def id_conflict(entry: Entry, earlier: int, seq: int) -> MessageRejected:
    """Return the error for an entry whose id is in the log already.

    `earlier` is the digest of the entry there, and `seq` its number.
    """
    if digest(entry.model_copy(update={"seq": seq})) == earlier:
        return DuplicateMessage(entry.id, seq)
    return MessageRejected("Another message has this id already.", entry.id)


def digest(entry: Entry) -> int:
    """Return a hash of an entry's fields; its key is this process's own."""
    values = tuple(entry.__dict__.values())
    try:
        return hash(values)
    except TypeError:  # a list is among them
        return hash(repr(values))
