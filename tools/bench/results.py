"""The results: the cost of a delivery, by server and scenario."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tools.bench.servers import RAW, Server


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

    def count(self) -> str:
        """Return the number of rounds, in words."""
        count = len(self.rounds)
        return "1 round" if count == 1 else f"{count} rounds"

    def cost(self, server: Server, scenario: Scenario) -> float:
        """Return the median cost of a server."""
        return median(each[server.name, scenario.name] for each in self.rounds)

    def ratios(
        self, server: Server, scenario: Scenario, other: Server = RAW
    ) -> list[float]:
        """Return the cost as a multiple of another's, lowest round first."""
        name = scenario.name
        return sorted(
            each[server.name, name] / each[other.name, name]
            for each in self.rounds
        )

    def ratio(
        self, server: Server, scenario: Scenario, other: Server = RAW
    ) -> float:
        """Return the median of these multiples."""
        return median(self.ratios(server, scenario, other))

    def ranking(self) -> list[Server]:
        """Return the servers, the cheapest in the first scenario first."""
        first = self.scenarios[0]
        return sorted(self.servers, key=lambda each: self.ratio(each, first))

    def max_ratio(self) -> float:
        """Return the largest of all ratios."""
        return max(
            self.ratio(server, scenario)
            for server in self.servers
            for scenario in self.scenarios
        )
