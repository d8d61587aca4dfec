"""Usage reports: the tokens that each reply took."""

from typing import ClassVar, Self
from uuid import uuid4

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..party import Entry, Log
from ..party.fetch import is_internal

MAX_TOKENS = 10_000_000
"""Tokens that one report may name."""


class UsageReport(Entry):
    """The tokens of one reply, as another party reports them."""

    is_retried: ClassVar[bool] = True
    id: str = Field(default_factory=lambda: uuid4().hex)
    usage: int = Field(strict=True, ge=0, le=MAX_TOKENS)

    total: int = 0
    """The sum of all reports up to this one."""

    def accumulate(self, previous: Self | None) -> None:
        """Add to the total of the entry before: old entries are not loaded."""
        self.total = self.usage + (previous.total if previous else 0)

    def to_frame(self) -> object:
        """Return the frame for a room that has missed this report."""
        return {"tally": self.total}


def total_tokens(reports: Log[UsageReport]) -> int:
    """Return the sum of all reports."""
    return reports[-1].total if reports else 0


async def read_report(request: Request) -> UsageReport:
    """Parse the request `POST {"usage": int}` of another party.

    Raises HTTPException: 405 for another method, 403 if the request does not
    come from a party of this app, 422 if the body is not valid.
    """
    if request.method != "POST":
        raise HTTPException(
            405, "Usage takes GET and POST.", {"Allow": "GET, POST"}
        )
    if not is_internal(request):
        raise HTTPException(403, "Only parties of this app may report usage.")
    try:
        return UsageReport.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(
            422, f"Usage is a whole number from 0 to {MAX_TOKENS:,}."
        ) from None
