"""Measure the cost of a delivery: `python -m tools.bench [ROUNDS]`.

Starts each server in turn, on loopback, lets a crowd chat in its rooms, and
measures the CPU time of the server. Prints a table, and writes it with notes
to docs/bench.md.
"""

import sys

from shared.file_descriptors import raise_limit
from tests.support.server_process import ROOT
from tools.bench.machine import CLIENT_CORE, pin
from tools.bench.measure import SCENARIOS, Results, bench
from tools.bench.replies import ReplyResults, measure_replies
from tools.bench.report import render_page, tables
from tools.bench.servers import SERVERS
from tools.bench.stream_checker import DeliveryError

ROUNDS = 5
SECONDS = 0.75
"""Time that each server is measured in each scenario of a round."""

MAX_SECONDS = 220.0
"""Seconds after which no further round of deliveries begins."""


def report_progress(progress: str) -> None:
    """Show the progress, in place of the line before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the results, and write them to docs/."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    results = Results(SERVERS, SCENARIOS)
    replies = ReplyResults()
    pin(0, CLIENT_CORE)
    raise_limit()
    try:
        bench(results, rounds, SECONDS, MAX_SECONDS, report_progress)
        measure_replies(replies, len(results.rounds), report_progress)
    except DeliveryError as wrong:
        sys.exit(f"\n{wrong}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
    report_progress("")
    print(tables(results, replies))
    page = ROOT / "docs" / "bench.md"
    page.write_text(render_page(results, replies), "utf-8")
    print("docs/bench.md has the table, with notes on each server.")


if __name__ == "__main__":
    main()
