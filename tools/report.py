"""A plugin of pytest that prints one plain line for each behaviour."""

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

MAX_SHOWN = 300
"""Characters of an actual result that are shown."""

PLAYWRIGHT_TIMEOUT = re.compile(
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
        self.remaining: Counter[str] = Counter()
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.logged: dict[ServerProcess, int] = {}
        self.last_server_error = ""
        self.has_headings = False
        self.stage = 0

    def print(self, line: str) -> None:
        print(line, file=self.out, flush=True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Print a test file that cannot be collected: that is our mistake."""
        if report.failed:
            self.print(f"{report.nodeid}: {report.longreprtext}")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests by stage, and keep one kind of model: OpenAI's."""
        kept = [item for item in items if "ollama" not in parameters(item)]
        items[:] = sorted(kept, key=lambda i: (stage_of(i), in_browser(i)))
        self.remaining.update(map(name_of, items))
        self.has_headings = len(set(map(stage_of, items))) > 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the rest of a behaviour of which a part has failed."""
        if name_of(item) in self.failed:
            pytest.skip()
        self.logged = {each: len(each.errors()) for each in started}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record a test's result; print its behaviour's after the last test."""
        report = yield
        name = name_of(item)
        if call.excinfo and report.failed and name not in self.failed:
            self.failed[name] = self.explain(item, call.excinfo.value)
        if call.excinfo and report.skipped:
            self.skipped[name] = str(call.excinfo.value)
        if report.when == "teardown":
            self.remaining[name] -= 1
            if not self.remaining[name]:
                self.print_result(name, stage_of(item))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(
        self, op: str, left: object, right: object
    ) -> list[str]:
        """Describe a comparison; the actual value is on the left."""
        if isinstance(left, dict) and isinstance(right, dict):
            same = [key for key in left if right.get(key, ...) == left[key]]
            left, right = omit_keys(left, same), omit_keys(right, same)
        if op == "==":
            return [f"expected {right!r:.150}; came: {left!r:.150}"]
        return [f"expected {left!r:.150} {op} {right!r:.150}"]

    def explain(self, item: pytest.Item, error: BaseException) -> str:
        """Return the expectation, the result, and the server's last error."""
        words = describe(error, self.folder)
        if not words.startswith("expected"):
            marker = item.get_closest_marker("behaviour")
            expected = marker.kwargs.get("expected") if marker else None
            words = f"expected {expected or 'just that'}; came: {words}"
        for server in started:
            errors = server.errors()[self.logged.get(server, 0) :]
            if said := last_error(errors, self.folder):
                told = "as above" if said == self.last_server_error else said
                self.last_server_error = said
                return f"{words} (the server says: {told})"
        return words

    def print_result(self, name: str, stage: int) -> None:
        """Print the line of a behaviour."""
        if self.has_headings and stage != self.stage:
            self.print(f"Stage {stage}")
            self.stage = stage
        if name in self.failed:
            self.print(f"  todo  {name}: {self.failed[name]}")
        elif name in self.skipped:
            self.print(f"  left out  {name}: {self.skipped[name]}")
        else:
            self.print(f"  done  {name}")

    def end(self) -> int:
        """Print the count of what is done; return the exit status."""
        missing = {*self.failed, *self.skipped, *+self.remaining}
        done = len(self.remaining) - len(missing)
        first = " Begin with the first: others may come of it."
        more = first if len(self.failed) > 1 else ""
        self.print(f"{done} of {len(self.remaining)} done.{more}")
        is_done = self.remaining and not (self.failed or +self.remaining)
        return 0 if is_done else 1


def name_of(item: pytest.Item) -> str:
    """Return the behaviour that a test is about."""
    marker = item.get_closest_marker("behaviour")
    return str(marker.args[0]) if marker else item.name


def stage_of(item: pytest.Item) -> int:
    """Return the stage that adds the behaviour."""
    marker = item.get_closest_marker("stages")
    return int(marker.args[0]) if marker else 1


def in_browser(item: pytest.Item) -> bool:
    """Return whether a test needs a browser: those run last."""
    return "person" in getattr(item, "fixturenames", ())


def parameters(item: pytest.Item) -> list[Any]:
    """Return the parameters of a test."""
    return (
        list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    )


def omit_keys(values: dict[Any, Any], keys: list[Any]) -> dict[Any, Any]:
    """Return all but those keys."""
    return {key: value for key, value in values.items() if key not in keys}


def describe(error: BaseException, folder: Path) -> str:
    """Return a test's failure in one line, without its code."""
    if isinstance(error, BaseExceptionGroup):
        return describe(error.exceptions[0], folder)
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
    if waited := PLAYWRIGHT_TIMEOUT.search(text):
        return f"expected a {waited[2]} within {waited[1]} s; came: nothing"
    if "Call log:" in text:  # as Playwright says it
        text, _, _ = text.partition("Call log:")
        text = text.replace("None\nError: element(s) not found", "nothing")
        text = " ".join(text.replace("Actual value:", "; came:").split())
        return text.removeprefix("Locator ").replace(" ;", ";")[:MAX_SHOWN]
    first = (text.splitlines() or [""])[0].removeprefix("assert ")[:MAX_SHOWN]
    if isinstance(error, AssertionError):
        return first or "something else"
    return f"{type(error).__name__}: {first}"


def last_error(errors: str, folder: Path) -> str:
    """Return the last line of a server's log, if it is an error."""
    logged = LOGGED.findall(errors)
    return summarize_traceback(errors, folder) or (
        logged[-1][:MAX_SHOWN] if logged else ""
    )
