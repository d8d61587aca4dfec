"""Let simulated people join the demo that runs: `make guests N=25`.

They are for a rehearsal without an audience: they chat in one room, ask the AI
now and then, move their cursors in stage 5, leave and come back. Each has a
cookie of its own, sends a message until it is acknowledged, and reconnects as
a page does, so that they follow `make present` from stage to stage.
"""

import asyncio
import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from shared.settings import settings

from .simulated_guest import Guest, Totals

MAX_GUESTS = 500
MAX_MINUTES = 120

DRAIN_SECONDS = 10.0
"""Seconds at the end, at most, until the last messages are acknowledged."""

DISPLAY_INTERVAL = 0.5


def check_address(address: str) -> str:
    """Return the address of a demo on this machine or in its network.

    Raises ValueError for any other, where nobody has asked for guests.
    """
    url = urlsplit(address.rstrip("/"))
    if url.scheme != "http" or url.geturl() != f"http://{url.netloc}":
        raise ValueError("give an address like http://192.168.0.7:1999")
    host = "127.0.0.1" if url.hostname == "localhost" else url.hostname
    with suppress(ValueError):
        ip = ip_address(host or "")
        if ip.is_private and not ip.is_unspecified and "@" not in url.netloc:
            return url.geturl()
    raise ValueError("guests join at 127.0.0.1, or at an IP address of the LAN")


class Options(BaseModel, extra="forbid"):
    """The options of the command."""

    n: int = Field(25, ge=1, le=MAX_GUESTS)
    pace: float = Field(8.0, ge=0.1, le=600)
    """Seconds between two messages of a guest, on average."""
    minutes: float = Field(10.0, gt=0, le=MAX_MINUTES)
    address: Annotated[str, AfterValidator(check_address)] = Field(
        default_factory=lambda: f"http://127.0.0.1:{settings().port}"
    )


class Guests:
    """The guests of one demo."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.totals = Totals()
        self.ended = asyncio.Event()
        """Set to end before the time is over."""
        self.guests = [
            Guest(self.totals, options.address, number, options.pace)
            for number in range(options.n)
        ]

    async def run(self) -> None:
        """Let everybody chat, then wait for the last acknowledgements."""
        running = [each.run() for each in self.guests]
        tasks = [*map(asyncio.create_task, [*running, self.ended.wait()])]
        try:
            await asyncio.wait(
                tasks,
                timeout=self.options.minutes * 60,
                return_when=asyncio.FIRST_COMPLETED,
            )
            await self._drain()
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _drain(self) -> None:
        for each in self.guests:
            each.is_silent = True
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(g.unacknowledged for g in self.guests):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    async def display(self) -> None:
        """Keep the line of state up to date."""
        while True:
            self.print_state()
            await asyncio.sleep(DISPLAY_INTERVAL)

    def print_state(self, end: str = "") -> None:
        """Print the state over the one before."""
        totals = self.totals
        line = (
            f"{totals.connections['chatroom']} people, {totals.sent} sent, "
            f"{len(totals.acknowledged)} acknowledged, {totals.refused} refused"
        )
        print(f"\r{line:<78}", end=end, flush=True)


async def rehearse(options: Options) -> None:
    """Run guests, and show their state in one line."""
    guests = Guests(options)
    try:
        await asyncio.to_thread(guests.guests[0].load_page)
    except OSError as error:
        sys.exit(
            f"No demo answers at {options.address} ({error}): start one first, "
            "as with make present."
        )
    displaying = asyncio.create_task(guests.display())
    try:
        await guests.run()
    finally:
        displaying.cancel()
        guests.print_state(end="\n")


def main() -> None:
    """Run guests until their time is over, or until Ctrl+C."""
    arguments = (each.partition("=") for each in sys.argv[1:])
    try:
        options = Options.model_validate(
            {name.lower(): value for name, _, value in arguments}
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        reason = wrong["msg"].removeprefix("Value error, ")
        sys.exit(f"{str(wrong['loc'][0]).upper()}={wrong['input']}: {reason}")
    with suppress(KeyboardInterrupt):
        asyncio.run(rehearse(options))


if __name__ == "__main__":
    main()
