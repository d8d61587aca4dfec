"""Measure a streamed reply: bytes for each client, and CPU time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tools.bench.audience import Audience
from tools.bench.servers import (
    COMPRESSING,
    PARTY_CHAT,
    STARLETTE,
    Server,
    ServerRun,
    run_server,
)
from tools.bench.texts import recording

ROOM = "hello-world"


class ReplyResults:
    """Kilobytes for each client and CPU seconds, by the server's name."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, tuple[float, float]]] = []

    def rows(self) -> list[list[str]]:
        """Return a table row for each server, with its medians."""
        rows = []
        for name in self.rounds[0]:
            size = median(each[name][0] for each in self.rounds)
            used = median(each[name][1] for each in self.rounds)
            rows.append([name, f"{size:.0f}", f"{used:.2f}"])
        return rows


def measure_replies(
    replies: ReplyResults, rounds: int, report_progress: Callable[[str], None]
) -> None:
    """Let all servers stream the reply at the same time, in each round."""
    for number in range(rounds):
        report_progress(f"round {number + 1} of {rounds}: a reply that grows")
        with ExitStack() as stack, ThreadPoolExecutor() as pool:
            servers = stack.enter_context(reply_servers())
            runs = [stack.enter_context(run_server(each)) for each in servers]
            figures = list(pool.map(measure, runs))
        names = [each.name for each in servers]
        replies.rounds.append(dict(zip(names, figures, strict=True)))


@contextmanager
def reply_servers() -> Iterator[list[Server]]:
    """Yield the servers, which all stream the same reply."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "story.jsonl"
        file.write_text(recording(), "utf-8")
        settings = {"AI": f"replay:{file}"}
        yield [replace(PARTY_CHAT, settings=settings), COMPRESSING, STARLETTE]


def measure(run: ServerRun) -> tuple[float, float]:
    """Ask one server; return kilobytes per client, and CPU seconds."""
    with run.attribute_errors():
        audience = Audience(run.client(ROOM))
        before = run.cpu_seconds()
        size = audience.ask()
        used = run.cpu_seconds() - before
        audience.close()
    return size / 1_000, used
