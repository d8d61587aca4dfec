"""What a delivery costs each server, measured in turn, round by round."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tools.bench.crowd import Crowd
from tools.bench.servers import RAW, Running, Server, running

WARM_UP = 0.25
"""How much of the time goes by before anything is measured."""


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


def bench(
    results: Results,
    rounds: int,
    seconds: float,
    longest: float,
    tell: Callable[[str], None],
) -> None:
    """Measure all servers in turn, that many times, or until time is up."""
    start = time.monotonic()
    for number in range(rounds):
        used = time.monotonic() - start
        if number and used / number * (number + 1) > longest:
            tell(f"There is no time for more than {number} rounds.")
            break
        costs = {}
        # Backwards every other time: what drifts favours nobody.
        for server in results.servers[:: -1 if number % 2 else 1]:
            tell(f"round {number + 1} of {rounds}: {server.name}")
            with running(server) as run:
                for scenario in results.scenarios:
                    count, cpu = measure(run, scenario, seconds)
                    results.deliveries += count
                    costs[server.name, scenario.name] = cpu / count * 1e6
        results.rounds.append(costs)


def measure(
    run: Running, scenario: Scenario, seconds: float
) -> tuple[int, float]:
    """Let a crowd talk: its deliveries, and the server's CPU seconds."""
    crowd = Crowd(run.door(scenario.room), scenario.people)
    try:
        crowd.talk(scenario.at_once, seconds * WARM_UP)
        before = run.cpu_seconds()
        messages = crowd.talk(scenario.at_once, seconds)
        used = run.cpu_seconds() - before
        crowd.settle()
    finally:
        crowd.leave()
    return messages * (scenario.people - 1), used
