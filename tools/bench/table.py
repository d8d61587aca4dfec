"""The results as a table, and what has to be known to read it."""

from tools.bench.machine import description
from tools.bench.results import Results, Scenario
from tools.bench.servers import RAW, Server

NOTES = """\
- **Party Chat** is stage 5 as it runs, with the AI off: it checks each
  message, keeps it, acknowledges it and tells everybody else. One limit is
  raised, `MESSAGES_A_SECOND`, as one person says it all. `FAST=0` is the same
  without `shared/fast`.
- **Raw sockets** are a loop of `send` in Python, which does nothing of that:
  nearly all that it costs is the system's. It writes each message to each
  reader by itself. Gathered, what came at once is one write for each reader,
  which is how others can be below 1.
- **Starlette** is `for reader in …: await reader.send_text(…)` on uvicorn
  with its defaults; “compressing” is the same once a client offers
  compression, as every browser does. Party Chat is offered it, too. The others
  are not, which is to their advantage.
- **websockets** and **python-socketio** are used as their documentation shows.
- All took turns of a fifth of a second, on one core; those who listen were on
  another. None had to ping them.
"""


def page(results: Results) -> str:
    """All of it, as a page of the documentation."""
    return "\n".join(
        [
            "# What a delivery costs\n",
            "![The table's figures as bars](bench.svg)\n",
            f"`make bench` made this, on {description()}.\n",
            table(results),
            legend(results),
            NOTES,
        ]
    )


def table(results: Results) -> str:
    """The results as Markdown, which is a table in a terminal as well."""
    head = ["server", *(each.name for each in results.scenarios)]
    rows = [
        [server.name, *(cell(results, server, s) for s in results.scenarios)]
        for server in results.ranking()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
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
need: the median of {len(results.rounds)} rounds, the lowest and the highest.
1 is {each} CPU seconds for a million deliveries.

All {results.deliveries:,} deliveries were checked: nothing was lost, nothing
came twice or out of order, for any reader.
"""
