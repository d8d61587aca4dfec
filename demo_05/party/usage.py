"""Token usage: one tally for the whole app, live."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from shared.party import Connection, Server
from shared.usage import Spent, read_report


class Usage(Server):
    """The party that counts tokens, in its one room."""

    rooms = ("total",)

    async def on_start(self) -> None:
        """Remember what was reported, and add it up."""
        self.reports = self.room.log(Spent)
        self.tally = sum(report.usage for report in self.reports)

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Tell a newcomer the tally."""
        connection.send({"tally": self.tally})

    async def on_request(self, request: Request) -> Response:
        """Add what a party reports, and tell everybody."""
        if request.method != "GET":
            report = await read_report(request)
            await self.reports.append(report)
            self.tally += report.usage
            self.room.broadcast({"tally": self.tally}, key="tally")
        return JSONResponse({"tally": self.tally})
