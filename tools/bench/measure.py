"""What a delivery costs each server, measured in turn, round by round."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tools.bench.crowd import Crowd
from tools.bench.servers import RAW, Running, Server, running

SLICES = 5
"""How often all take turns: what else the machine does meets all alike."""


@dataclass(frozen=True)
class Scenario:
    """How many are in a room, and how many messages are under way at once."""

    name: str
    room: str
    people: int
    at_once: int


SCENARIOS = [
    Scenario("100 people, 16 at once", "hello-world", 100, 16),
    Scenario("10 people, 16 at once", "party-chat", 10, 16),
    Scenario("100 people, one at a time", "room-4", 100, 1),
]


@dataclass
class Results:
    """CPU seconds a million deliveries: for each server, round by round."""

    servers: Sequence[Server]
    scenarios: Sequence[Scenario]
    rounds: list[dict[tuple[str, str], float]] = field(default_factory=list)
    deliveries: int = 0

    def cost(self, server: Server, scenario: Scenario) -> float:
        """The median of what a server needs."""
        return median(each[server.name, scenario.name] for each in self.rounds)

    def ratios(self, server: Server, scenario: Scenario) -> list[float]:
        """What it needs as a multiple of raw sockets, lowest round first."""
        name = scenario.name
        return sorted(
            each[server.name, name] / each[RAW.name, name]
            for each in self.rounds
        )

    def ratio(self, server: Server, scenario: Scenario) -> float:
        """The median of that."""
        return median(self.ratios(server, scenario))

    def ranking(self) -> list[Server]:
        """The servers, the cheapest in the first scenario first."""
        first = self.scenarios[0]
        return sorted(self.servers, key=lambda each: self.ratio(each, first))


@dataclass
class Meter:
    """A crowd in a room of a server, and what the server needed for it."""

    run: Running
    crowd: Crowd
    scenario: Scenario
    cpu: float = 0.0
    deliveries: int = 0

    def measure(self, seconds: float) -> None:
        """Let the crowd talk for so long."""
        before = self.run.cpu_seconds()
        messages = self.crowd.talk(self.scenario.at_once, seconds)
        self.cpu += self.run.cpu_seconds() - before
        self.deliveries += messages * (self.scenario.people - 1)


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
            tell(f"There is no time for more than {number} rounds.")
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
            crowd = Crowd(run.door(scenario.room), scenario.people)
            stack.callback(crowd.leave)
            crowd.talk(scenario.at_once, seconds / SLICES)
            meters.append(Meter(run, crowd, scenario))
        for _ in range(SLICES):
            for meter in meters:
                meter.measure(seconds / SLICES)
        for meter in meters:
            meter.crowd.settle()
        return meters
