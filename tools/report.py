"""A plugin of pytest: a plain line a behaviour, and nothing else."""

import os
import re
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.web.traceback_summary import summarize_traceback
from tests.support.server_process import ServerProcess, started

LONGEST = 300
"""Characters that are shown of what came instead."""

NOTHING_CAME = re.compile(
    r'Timeout (\d+)000ms exceeded while waiting for event "(\w+)"'
)
LOGGED = re.compile(
    r"^(?:WARNING|ERROR|CRITICAL|.*RuntimeWarning:) .*", re.MULTILINE
)


class Report:
    """The result of each behaviour, printed as soon as it is known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # pytest captures what is printed; this is the terminal itself.
        self.out = os.fdopen(
            os.dup(sys.stdout.fileno()),
            "w",
            encoding=sys.stdout.encoding,
            errors="replace",
        )
        self.left: Counter[str] = Counter()
        self.wrong: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.logged: dict[ServerProcess, int] = {}
        self.said = ""
        self.headed = False
        self.stage = 0

    def print(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Say which test file cannot be read: that is nobody's homework."""
        if report.failed:
            self.print(f"{report.nodeid}: {report.longreprtext}")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take the stages in order, and one kind of model: OpenAI's."""
        kept = [item for item in items if "ollama" not in parameters(item)]
        items[:] = sorted(kept, key=lambda i: (stage_of(i), in_browser(i)))
        self.left.update(map(name_of, items))
        self.headed = len(set(map(stage_of, items))) > 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out the rest of a behaviour of which a part is missing."""
        if name_of(item) in self.wrong:
            pytest.skip()
        self.logged = {each: len(each.errors()) for each in started}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how a test went; tell of its behaviour after the last one."""
        report = yield
        name = name_of(item)
        if call.excinfo and report.failed and name not in self.wrong:
            self.wrong[name] = self.words(item, call.excinfo.value)
        if call.excinfo and report.skipped:
            self.skipped[name] = str(call.excinfo.value)
        if report.when == "teardown":
            self.left[name] -= 1
            if not self.left[name]:
                self.tell(name, stage_of(item))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(
        self, op: str, left: object, right: object
    ) -> list[str]:
        """Put a comparison in words; what came stands on the left."""
        if isinstance(left, dict) and isinstance(right, dict):
            same = [key for key in left if right.get(key, ...) == left[key]]
            left, right = without(left, same), without(right, same)
        if op == "==":
            return [f"expected {right!r:.150}; came: {left!r:.150}"]
        return [f"expected {left!r:.150} {op} {right!r:.150}"]

    def words(self, item: pytest.Item, error: BaseException) -> str:
        """Return the expectation, the result, and the server's last error."""
        words = in_words(error, self.folder)
        if not words.startswith("expected"):
            marker = item.get_closest_marker("behaviour")
            expected = marker.kwargs.get("expected") if marker else None
            words = f"expected {expected or 'just that'}; came: {words}"
        for server in started:
            errors = server.errors()[self.logged.get(server, 0) :]
            if said := last_words(errors, self.folder):
                told = "as above" if said == self.said else said
                self.said = said
                return f"{words} (the server says: {told})"
        return words

    def tell(self, name: str, stage: int) -> None:
        """Print a behaviour's line."""
        if self.headed and stage != self.stage:
            self.print(f"Stage {stage}")
            self.stage = stage
        if name in self.wrong:
            self.print(f"  todo  {name}: {self.wrong[name]}")
        elif name in self.skipped:
            self.print(f"  left out  {name}: {self.skipped[name]}")
        else:
            self.print(f"  done  {name}")

    def end(self) -> int:
        """Print the sum; the exit status."""
        missing = {*self.wrong, *self.skipped, *+self.left}
        done = len(self.left) - len(missing)
        first = " Begin with the first: others may come of it."
        more = first if len(self.wrong) > 1 else ""
        self.print(f"{done} of {len(self.left)} done.{more}")
        return 0 if self.left and not (self.wrong or +self.left) else 1


def name_of(item: pytest.Item) -> str:
    """The behaviour that a test is about."""
    marker = item.get_closest_marker("behaviour")
    return str(marker.args[0]) if marker else item.name


def stage_of(item: pytest.Item) -> int:
    """The stage that adds it."""
    marker = item.get_closest_marker("stages")
    return int(marker.args[0]) if marker else 1


def in_browser(item: pytest.Item) -> bool:
    """Whether a test takes a browser: those come last."""
    return "test_browser" in item.nodeid


def parameters(item: pytest.Item) -> list[Any]:
    """With what a test is run."""
    return (
        list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    )


def without(values: dict[Any, Any], keys: list[Any]) -> dict[Any, Any]:
    """All but those keys."""
    return {key: value for key, value in values.items() if key not in keys}


def in_words(error: BaseException, folder: Path) -> str:
    """Return a test's failure in one line, without its code."""
    if isinstance(error, BaseExceptionGroup):
        return in_words(error.exceptions[0], folder)
    if isinstance(error, InvalidStatus):
        where = "".join(getattr(error, "__notes__", []))
        status = error.response.status_code
        return f"expected a socket at {where}; came: HTTP {status}"
    if isinstance(error, ConnectionClosed):
        return f"the server closed the socket ({error})"
    if isinstance(error, TimeoutError):
        return str(error) or "nothing"
    if isinstance(error, KeyError):
        return f"no {error}"
    text = str(error)
    if "Traceback" in text:
        return (
            summarize_traceback(text, folder) or text.strip().splitlines()[-1]
        )
    if waited := NOTHING_CAME.search(text):
        return f"expected a {waited[2]} within {waited[1]} s; came: nothing"
    if "Call log:" in text:  # as Playwright says it
        text, _, _ = text.partition("Call log:")
        text = text.replace("None\nError: element(s) not found", "nothing")
        text = " ".join(text.replace("Actual value:", "; came:").split())
        return text.removeprefix("Locator ").replace(" ;", ";")[:LONGEST]
    first = (text.splitlines() or [""])[0].removeprefix("assert ")[:LONGEST]
    if isinstance(error, AssertionError):
        return first or "something else"
    return f"{type(error).__name__}: {first}"


def last_words(errors: str, folder: Path) -> str:
    """Return the last line of a server's log, if it is an error."""
    logged = LOGGED.findall(errors)
    return summarize_traceback(errors, folder) or (
        logged[-1][:LONGEST] if logged else ""
    )
