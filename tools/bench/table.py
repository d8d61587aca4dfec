"""The results as a table, and what has to be known to read it."""

from tools.bench.machine import description
from tools.bench.replies import Replies
from tools.bench.results import Results, Scenario
from tools.bench.servers import RAW, Server

NOTES = """
- All servers take turns of a fraction of a second, on one core; those who
  listen are on another. What is compared is CPU time, so that a server that
  waits is not taken for a slow one.
- **Party Chat** is stage 5 as it runs, with the AI off: it checks each
  message, keeps it, acknowledges it and tells everybody else. One limit is
  raised, `MAX_MESSAGES_PER_SECOND`, as one person says it all. *Plain ASGI* is
  the same with `FAST_TRANSPORT=0`, without `shared/party/transport`.
- **Raw sockets** are a loop of `send` in Python, which does nothing of that:
  nearly all that it costs is the system's. It writes each message to each
  reader by itself. Gathered, what came at once is one write for each reader,
  which is how others can be below 1.
- **Starlette** is `for reader in …: await reader.send_text(…)` on uvicorn
  with its defaults; “compressing” is the same once a client offers
  compression, as every browser does. Party Chat is offered it, too. The others
  are not, which is to their advantage.
- **websockets** and **python-socketio** are used as their documentation shows.
- A **reply** holds all of its text in each frame. Party Chat sends it 30 times
  a second at most, Starlette for each token. No real model is asked.
"""


def page(results: Results, replies: Replies) -> str:
    """All of it, as a page of the documentation."""
    return "\n".join(
        [
            "# What a delivery costs\n",
            "![The table's figures as bars](bench.svg)\n",
            f"`make bench` made this, on {description()}.\n",
            tables(results, replies),
            NOTES,
        ]
    )


def tables(results: Results, replies: Replies) -> str:
    """Both tables, and what their figures are."""
    head = ["server", "KB for each viewer", "CPU seconds"]
    return "\n".join(
        [
            fan_out(results),
            legend(results),
            "An AI's reply of 500 tokens at 100 a second, which 100 people see",
            "grow, and which had arrived whole at each of them:\n",
            table([head, *replies.rows()]),
            "",
        ]
    )


def fan_out(results: Results) -> str:
    """What a delivery costs, the cheapest first."""
    head = ["server", *(each.name for each in results.scenarios)]
    rows = [
        [server.name, *(cell(results, server, s) for s in results.scenarios)]
        for server in results.ranking()
    ]
    return table([head, *rows])


def table(lines: list[list[str]]) -> str:
    """A table in Markdown, which is one in a terminal as well."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def cell(results: Results, server: Server, scenario: Scenario) -> str:
    """What a server needs, as a multiple of raw sockets."""
    if server == RAW:
        return "1"
    ratios = results.ratios(server, scenario)
    middle = results.ratio(server, scenario)
    return f"{middle:.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def legend(results: Results) -> str:
    """What the figures are."""
    each = ", ".join(
        f"{results.cost(RAW, scenario):.1f}" for scenario in results.scenarios
    )
    return f"""
CPU time of the server for each delivery, as a multiple of what raw sockets
need. It is the median of {results.count()}; the lowest and the highest are in
brackets. 1 is {each} CPU seconds for a million deliveries.

All {results.deliveries:,} deliveries were checked: nothing was lost, nothing
came twice or out of order, for any reader.
"""
