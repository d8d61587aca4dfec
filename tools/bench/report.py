"""The results as tables, with notes on how to read them."""

from statistics import median

from tools.bench.machine import description
from tools.bench.measure import Results, Scenario
from tools.bench.replies import ReplyResults
from tools.bench.servers import RAW, Server

NOTES = """
- All servers take turns of a fraction of a second on one core; the clients
  run on another. CPU time is compared, so that waiting does not count.
- **Party Chat** is stage 5 with the AI off: it validates each message, stores
  it, acknowledges it, and broadcasts it. One limit is raised,
  `MAX_MESSAGES_PER_SECOND`, since one client sends all messages. *Plain ASGI*
  is the same with `FAST_TRANSPORT=0`, without the batches, the compression and
  the direct frames of `shared/party/transport`.
- **Raw sockets** are a loop of `send` in Python, which does none of that:
  nearly all of its cost is the system's. Each message is one write for each
  reader. Gathered, messages that were received at once are one write for each
  reader, which is how a server can be below 1.
- **Starlette** is `for reader in …: await reader.send_text(…)` on uvicorn
  with its defaults, and uvloop; “compressing” is the same when a client offers
  compression, as every browser does. Party Chat's clients offer it, too; those
  of the other servers do not, which is to their advantage.
- **websockets** and **python-socketio** are used as their documentation shows.
- A **reply** has all of its text in each frame. Party Chat sends it at most 30
  times a second, Starlette for each token. No real model is asked.
"""


def render_page(results: Results, replies: ReplyResults) -> str:
    """Return the page of the documentation."""
    return "\n".join(
        [
            "# The cost of a delivery\n",
            f"`make bench` made this, on {description()}.\n",
            tables(results, replies),
            NOTES,
        ]
    )


def tables(results: Results, replies: ReplyResults) -> str:
    """Return both tables, with their legends."""
    head = ["server", "KB for each client", "CPU seconds"]
    return "\n".join(
        [
            fan_out(results),
            legend(results),
            "An AI's reply of 500 tokens at 100 per second, streamed to 100",
            "clients, each of which received all of it:\n",
            table([head, *replies.rows()]),
            "",
        ]
    )


def fan_out(results: Results) -> str:
    """Return the table of deliveries, the cheapest server first."""
    head = ["server", *(each.name for each in results.scenarios)]
    rows = [
        [server.name, *(cell(results, server, s) for s in results.scenarios)]
        for server in results.ranking()
    ]
    return table([head, *rows])


def table(lines: list[list[str]]) -> str:
    """Return a Markdown table, which is readable in a terminal as well."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def cell(results: Results, server: Server, scenario: Scenario) -> str:
    """Return the cost of a server, as a multiple of raw sockets."""
    if server == RAW:
        return "1"
    ratios = results.ratios(server, scenario)
    return f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def legend(results: Results) -> str:
    """Return the explanation of the figures."""
    each = ", ".join(
        f"{results.cost(RAW, scenario):.1f}" for scenario in results.scenarios
    )
    rounds = len(results.rounds)
    return f"""
CPU time of the server for each delivery, as a multiple of the time that raw
sockets need: the median of {rounds} rounds, with the lowest and the highest in
brackets. 1 is {each} CPU seconds per million deliveries.

All {results.deliveries:,} deliveries were checked: none was lost, repeated
or out of order, for any reader.
"""
