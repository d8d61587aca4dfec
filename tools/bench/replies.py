"""What a reply costs that everybody sees grow, and how much each gets."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tools.bench.audience import Audience
from tools.bench.running import Running, running
from tools.bench.servers import COMPRESSING, PARTY_CHAT, STARLETTE, Server
from tools.bench.story import recording

ROOM = "hello-world"


class Replies:
    """Kilobytes for each viewer and CPU seconds, by the server's name."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, tuple[float, float]]] = []

    def rows(self) -> list[list[str]]:
        """A line of words for each server: its medians."""
        rows = []
        for name in self.rounds[0]:
            size = median(each[name][0] for each in self.rounds)
            used = median(each[name][1] for each in self.rounds)
            rows.append([name, f"{size:.0f}", f"{used:.2f}"])
        return rows


def measure_replies(
    replies: Replies, rounds: int, tell: Callable[[str], None]
) -> None:
    """Have them all reply, at the same time; that many times."""
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}: a reply that grows")
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            servers = stack.enter_context(repliers())
            runs = [stack.enter_context(running(each)) for each in servers]
            figures = list(pool.map(measure, runs))
        names = [each.name for each in servers]
        replies.rounds.append(dict(zip(names, figures, strict=True)))


@contextmanager
def repliers() -> Iterator[list[Server]]:
    """The servers that reply, each of them the same."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "story.jsonl"
        file.write_text(recording(), "utf-8")
        settings = {"AI": f"replay:{file}"}
        yield [replace(PARTY_CHAT, settings=settings), COMPRESSING, STARLETTE]


def measure(run: Running) -> tuple[float, float]:
    """Ask one of them: kilobytes for each viewer, and CPU seconds."""
    with run.blamed():
        audience = Audience(run.door(ROOM))
        before = run.cpu_seconds()
        size = audience.ask()
        used = run.cpu_seconds() - before
        audience.leave()
    return size / 1_000, used
