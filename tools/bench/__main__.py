"""What a delivery costs: `python -m tools.bench [ROUNDS]`.

Starts each server in turn, on loopback, lets a crowd chat in its rooms, and
measures what the server computes. Prints a table, and writes it with notes
and a picture to docs/.
"""

import sys

from tests.support.server_process import ROOT
from tools.bench.machine import CROWDS_CORE, allow_sockets, pin
from tools.bench.measure import bench
from tools.bench.picture import picture
from tools.bench.replies import Replies, measure_replies
from tools.bench.results import SCENARIOS, Results
from tools.bench.servers import SERVERS
from tools.bench.stream import Wrong
from tools.bench.table import page, tables

ROUNDS = 5
SECONDS = 0.75
"""How long each server is measured in each scenario of a round."""

LONGEST = 220.0
"""Seconds for the deliveries, however slow the machine is."""


def tell(progress: str) -> None:
    """Say what is done now, where the last such line was."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and say what came of it."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    results = Results(SERVERS, SCENARIOS)
    replies = Replies()
    pin(0, CROWDS_CORE)
    allow_sockets()
    try:
        bench(results, rounds, SECONDS, LONGEST, tell)
        measure_replies(replies, len(results.rounds), tell)
    except Wrong as wrong:
        sys.exit(f"\n{wrong}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
    tell("")
    print(tables(results, replies))
    docs = ROOT / "docs"
    (docs / "bench.md").write_text(page(results, replies), "utf-8")
    (docs / "bench.svg").write_text(picture(results), "utf-8")
    print("The picture is docs/bench.svg, and what each is, docs/bench.md.")


if __name__ == "__main__":
    main()
