"""An entry of a log, and why one is refused."""

from typing import ClassVar, Self

from pydantic import BaseModel

from ..errors import DuplicateMessage, MessageRejected


class Entry(BaseModel):
    """An entry of a log: subclass it, and add fields."""

    id: str = ""
    """Names the entry; a log keeps each name once. Empty: it has none."""

    seq: int | None = None
    """Where in the log it stands, from 0; set by the log."""

    is_owed: ClassVar[bool] = False
    """Whether it is written later, not refused, if it cannot be written now.

    Such an entry needs an id, so that it is kept once.
    """

    @property
    def is_open(self) -> bool:
        """Override: whether the entry still grows, and is appended again."""
        return False

    def follow(self, before: Self | None) -> None:
        """Override to go on from the newest entry, just before it is kept."""

    def recall(self) -> None:
        """Override to correct what a process that has ended left behind."""

    def news(self) -> object:
        """Override: the frame for a room that has missed this entry."""


def conflict(entry: Entry, earlier: Entry) -> MessageRejected:
    """Return the refusal of an entry whose id is in the log already."""
    return conflict_with(entry, digest(earlier), earlier.seq or 0)


def conflict_with(entry: Entry, earlier: int, seq: int) -> MessageRejected:
    """Return the refusal, with the digest of the entry that has the id."""
    if digest(entry.model_copy(update={"seq": seq})) == earlier:
        return DuplicateMessage(entry.id, seq)
    return MessageRejected("Another message has this id already.", entry.id)


def digest(entry: Entry) -> int:
    """Return a hash of an entry, of which this process has the key."""
    values = tuple(entry.__dict__.values())
    try:
        return hash(values)
    except TypeError:  # a list is among them
        return hash(repr(values))


def cleared(entry: Entry) -> MessageRejected:
    """Return the refusal of an entry that was cleared from the log."""
    return MessageRejected("This room was cleared meanwhile.", entry.id)
