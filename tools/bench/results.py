"""What was measured: the cost of a delivery, server by server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tools.bench.servers import RAW, Server


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

    def count(self) -> str:
        """How many rounds there were."""
        count = len(self.rounds)
        return "1 round" if count == 1 else f"{count} rounds"

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

    def most(self) -> float:
        """The largest of all ratios."""
        return max(
            self.ratio(server, scenario)
            for server in self.servers
            for scenario in self.scenarios
        )
