"""Measure the cost of a delivery on all servers in turn, round by round."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tools.bench.crowd import Crowd
from tools.bench.servers import RAW, Server, ServerRun, run_server

SLICES = 5
"""Turns of each server in a scenario, so that load from outside hits all."""


@dataclass(frozen=True)
class Scenario:
    """The number of clients in a room, and of messages in flight."""

    name: str
    room: str
    people: int
    in_flight: int


SCENARIOS = [
    Scenario("100 people, 16 at once", "hello-world", 100, 16),
    Scenario("10 people, 16 at once", "party-chat", 10, 16),
    Scenario("100 people, one at a time", "room-4", 100, 1),
]


@dataclass
class Results:
    """CPU seconds per million deliveries, for each server and round."""

    servers: Sequence[Server]
    scenarios: Sequence[Scenario]
    rounds: list[dict[tuple[str, str], float]] = field(default_factory=list)
    deliveries: int = 0

    def cost(self, server: Server, scenario: Scenario) -> float:
        """Return the median cost of a server."""
        return median(each[server.name, scenario.name] for each in self.rounds)

    def ratios(self, server: Server, scenario: Scenario) -> list[float]:
        """Return the cost as a multiple of raw sockets, lowest round first."""
        name = scenario.name
        return sorted(
            each[server.name, name] / each[RAW.name, name]
            for each in self.rounds
        )

    def ranking(self) -> list[Server]:
        """Return the servers, the cheapest in the first scenario first."""
        first = self.scenarios[0]
        return sorted(self.servers, key=lambda each: self.cost(each, first))


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

    def chat(self, seconds: float) -> None:
        """Let the crowd chat, and add that to the figures."""
        before = self.run.cpu_seconds()
        with self.run.attribute_errors():
            messages = self.crowd.chat(self.scenario.in_flight, seconds)
        self.cpu += self.run.cpu_seconds() - before
        self.deliveries += messages * (self.scenario.people - 1)


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
            meter.cpu, meter.deliveries = 0, 0  # that was the warm-up
            meters.append(meter)
        for meter in meters * SLICES:
            meter.chat(seconds / SLICES)
        for meter in meters:
            with meter.run.attribute_errors():
                meter.crowd.check_silence()
        return meters
