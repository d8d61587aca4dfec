"""All servers are measured in turn, round by round."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tools.bench.meter import Meter
from tools.bench.results import Results, Scenario
from tools.bench.running import Running, running

SLICES = 5
"""How often all take turns: what else the machine does meets all alike."""


def bench(
    results: Results,
    rounds: int,
    seconds: float,
    longest: float,
    tell: Callable[[str], None],
) -> None:
    """Measure all servers that many times, or until time is up."""
    start = time.monotonic()
    for number in range(rounds):
        used = time.monotonic() - start
        if number and used / number * (number + 1) > longest:
            break
        costs = {}
        # Backwards every other time: what drifts favours nobody.
        servers = results.servers[:: -1 if number % 2 else 1]
        with ExitStack() as stack:
            runs = [stack.enter_context(running(each)) for each in servers]
            for scenario in results.scenarios:
                tell(f"round {number + 1} of {rounds}: {scenario.name}")
                for meter in measure(runs, scenario, seconds):
                    key = meter.run.server.name, scenario.name
                    costs[key] = meter.cpu / meter.deliveries * 1e6
                    results.deliveries += meter.deliveries
        results.rounds.append(costs)


def measure(
    runs: Sequence[Running], scenario: Scenario, seconds: float
) -> list[Meter]:
    """Let a crowd talk in each server, slice by slice in turn."""
    with ExitStack() as stack:
        meters = []
        for run in runs:
            meter = Meter(run, scenario)
            stack.callback(meter.crowd.leave)
            meter.talk(seconds / SLICES)
            meters.append(meter)
        for _ in range(SLICES):
            for meter in meters:
                meter.measure(seconds / SLICES)
        for meter in meters:
            meter.settle()
        return meters
