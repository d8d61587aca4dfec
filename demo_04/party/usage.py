"""Token usage: one live tally for the whole app."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from shared.chat.usage import UsageReport, read_report, total_tokens
from shared.party import Connection, Server


class Usage(Server):
    """The party server that adds up tokens, in one room."""

    rooms = ("total",)

    async def on_start(self) -> None:
        """Open the log of reports."""
        self.reports = self.room.log(UsageReport)

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Send the tally to a newcomer."""
        connection.send({"tally": total_tokens(self.reports)})

    async def on_request(self, request: Request) -> Response:
        """Add the report of another party, and send everybody the tally."""
        if request.method != "GET":
            await self.reports.append(await read_report(request))
            tally = {"tally": total_tokens(self.reports)}
            self.room.broadcast(tally, key="tally")
        return JSONResponse({"tally": total_tokens(self.reports)})
