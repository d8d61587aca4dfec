"""Measure all servers in turn, round by round."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tools.bench.crowd import Crowd
from tools.bench.results import Results, Scenario
from tools.bench.servers import ServerRun, run_server

SLICES = 5
"""Turns of each server in a scenario, so that load from outside hits all."""


def bench(
    results: Results,
    rounds: int,
    seconds: float,
    max_seconds: float,
    report_progress: Callable[[str], None],
) -> None:
    """Measure all servers for some rounds, or until the time is up."""
    start = time.monotonic()
    for number in range(rounds):
        used = time.monotonic() - start
        if number and used / number * (number + 1) > max_seconds:
            break
        costs = {}
        # Every other round is reversed, so that drift favours no server.
        servers = results.servers[:: -1 if number % 2 else 1]
        with ExitStack() as stack:
            runs = [stack.enter_context(run_server(each)) for each in servers]
            for scenario in results.scenarios:
                report_progress(
                    f"round {number + 1} of {rounds}: {scenario.name}"
                )
                for meter in measure(runs, scenario, seconds):
                    key = meter.run.server.name, scenario.name
                    costs[key] = meter.cpu / meter.deliveries * 1e6
                    results.deliveries += meter.deliveries
        results.rounds.append(costs)


class Meter:
    """A crowd in a room of a server, and the CPU time that it takes."""

    def __init__(self, run: ServerRun, scenario: Scenario) -> None:
        self.run = run
        self.scenario = scenario
        self.cpu = 0.0
        self.deliveries = 0
        with run.attribute_errors():
            self.crowd = Crowd(run.client(scenario.room), scenario.people)

    def chat(self, seconds: float) -> tuple[float, int]:
        """Let the crowd chat; return CPU seconds, and deliveries."""
        before = self.run.cpu_seconds()
        with self.run.attribute_errors():
            messages = self.crowd.chat(self.scenario.in_flight, seconds)
        used = self.run.cpu_seconds() - before
        return used, messages * (self.scenario.people - 1)

    def measure(self, seconds: float) -> None:
        """Let the crowd chat, and add that to the figures."""
        cpu, deliveries = self.chat(seconds)
        self.cpu += cpu
        self.deliveries += deliveries

    def check_silence(self) -> None:
        """Check that everything has arrived, and nothing else."""
        with self.run.attribute_errors():
            self.crowd.check_silence()


def measure(
    runs: Sequence[ServerRun], scenario: Scenario, seconds: float
) -> list[Meter]:
    """Let a crowd chat in each server, in turns."""
    with ExitStack() as stack:
        meters = []
        for run in runs:
            meter = Meter(run, scenario)
            stack.callback(meter.crowd.close)
            meter.chat(seconds / SLICES)
            meters.append(meter)
        for _ in range(SLICES):
            for meter in meters:
                meter.measure(seconds / SLICES)
        for meter in meters:
            meter.check_silence()
        return meters
