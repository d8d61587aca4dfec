"""Token usage: one tally for the whole app, live."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from shared.chat.usage import UsageReport, read_report, tally_frame
from shared.party import Connection, Server


class Usage(Server):
    """The party that counts tokens, in its one room."""

    rooms = ("total",)

    async def on_start(self) -> None:
        """Remember what is reported."""
        self.reports = self.room.log(UsageReport)

    async def on_connect(
        self, connection: Connection, request: HTTPConnection
    ) -> None:
        """Tell a newcomer the tally."""
        connection.send(tally_frame(self.reports))

    async def on_request(self, request: Request) -> Response:
        """Add what a party reports, and tell everybody."""
        if request.method != "GET":
            await self.reports.append(await read_report(request))
            self.room.broadcast(tally_frame(self.reports), key="tally")
        return JSONResponse(tally_frame(self.reports))
