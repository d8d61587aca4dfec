"""A crowd in a room of a server, and what the server computes meanwhile."""

from tools.bench.crowd import Crowd
from tools.bench.results import Scenario
from tools.bench.running import Running


class Meter:
    """A crowd in a room of a server, and what the server needs for it."""

    def __init__(self, run: Running, scenario: Scenario) -> None:
        self.run = run
        self.scenario = scenario
        self.cpu = 0.0
        self.deliveries = 0
        with run.blamed():
            self.crowd = Crowd(run.door(scenario.room), scenario.people)

    def talk(self, seconds: float) -> tuple[float, int]:
        """Let the crowd talk for so long: CPU seconds, and deliveries."""
        before = self.run.cpu_seconds()
        with self.run.blamed():
            messages = self.crowd.talk(self.scenario.at_once, seconds)
        used = self.run.cpu_seconds() - before
        return used, messages * (self.scenario.people - 1)

    def measure(self, seconds: float) -> None:
        """Let it talk, and count that."""
        cpu, deliveries = self.talk(seconds)
        self.cpu += cpu
        self.deliveries += deliveries

    def settle(self) -> None:
        """See that nothing is missing, and nothing too much."""
        with self.run.blamed():
            self.crowd.settle()
