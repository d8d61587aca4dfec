"""What a party reports of the tokens that a reply took."""

from typing import ClassVar, Self
from uuid import uuid4

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..party import Entry, Log
from ..party.fetch import from_party

MOST = 10_000_000
"""Tokens that one reply may have taken."""


class Spent(Entry):
    """What one reply took, in tokens."""

    is_owed: ClassVar[bool] = True
    id: str = Field(default_factory=lambda: uuid4().hex)
    usage: int = Field(strict=True, ge=0, le=MOST)

    total: int = 0
    """What all replies have taken until then, whoever has reported them."""

    def follow(self, before: Self | None) -> None:
        """Add up: a log may have more reports than are at hand."""
        self.total = self.usage + (before.total if before else 0)

    def news(self) -> object:
        """Tell a room about it that has missed it."""
        return {"tally": self.total}


def tally(reports: Log[Spent]) -> dict[str, int]:
    """The frame that tells how many tokens have been reported."""
    return {"tally": reports[-1].total if reports else 0}


async def read_report(request: Request) -> Spent:
    """Read `{"usage": int}` from a party's request.

    Raises HTTPException: 405 for another method, 403 for whoever is no
    party, 422 for what is no report.
    """
    if request.method != "POST":
        raise HTTPException(
            405, "Usage takes GET and POST.", {"Allow": "GET, POST"}
        )
    if not from_party(request):
        raise HTTPException(403, "Only parties of this app may report usage.")
    try:
        return Spent.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(
            422, f"Usage is a whole number from 0 to {MOST:,}."
        ) from None
