"""Which stages a test runs for, and the servers and browsers it uses."""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from shared.ai.context import AppContext, current_context
from shared.settings import Settings

from .support.browser import People, open_chromium, people
from .support.conversation import Talk
from .support.party_server import use_fast_transport
from .support.presenter import KEY
from .support.server_process import (
    ROOT,
    ServerProcess,
    Stage,
    environment,
    start,
)
from .support.stubs import OllamaStub, OpenAIStub

sys.path.insert(0, str(ROOT))

collect_ignore = ["exercises"]
"""They are for an app of one's own: tools/check.py names their files."""

STAGES = [
    Stage(int(folder.name.removeprefix("demo_")), folder)
    for folder in sorted(ROOT.glob("demo_0*"))
]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stages")
    group.addoption(
        "--stage",
        type=int,
        metavar="N",
        help="only the tests of stage N; 0: only those of no stage",
    )
    group.addoption(
        "--app", metavar="FOLDER", help="test this folder instead of a stage"
    )
    group.addoption(
        "--level",
        type=int,
        metavar="N",
        help="which stage --app is to be tested as",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "stages(first, last=None): the stages that have what is tested",
    )
    config.addinivalue_line(
        "markers",
        "behaviour(name, expected=''): a line of `make check-NN`, and what to "
        "expect where the test itself does not say it",
    )
    config.addinivalue_line(
        "markers", "each_provider: with the stub of OpenAI, and of Ollama"
    )
    if bool(config.getoption("app")) != bool(config.getoption("level")):
        raise pytest.UsageError("--app FOLDER and --level N go together")


def stages_of(config: pytest.Config, marker: pytest.Mark | None) -> list[Stage]:
    """The stages to test: those that the marker names, within the options."""
    first, last = (*(marker.args if marker else (1,)), None)[:2]
    if folder := config.getoption("app"):
        stages = [Stage(config.getoption("level"), Path(folder).resolve())]
    else:
        wanted = config.getoption("stage")
        stages = [s for s in STAGES if wanted is None or s.level == wanted]
    return [
        stage
        for stage in stages
        if stage.level >= first and (last is None or stage.level <= last)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "serve_parties" in metafunc.function.__code__.co_names:
        metafunc.parametrize("way", ["fast", "plain"], indirect=True)
    if "stub_kind" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("each_provider")
        kinds = [OpenAIStub, OllamaStub] if both else [OpenAIStub]
        metafunc.parametrize("stub_kind", kinds, scope="module")
    if "stage" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("stages")
        stages = stages_of(metafunc.config, marker)
        # `make test` stays fast: the first that has it, and the newest; of
        # what needs a browser, the newest alone.
        browser = ".browser." in metafunc.module.__name__
        fast = stages[-1:] if browser else [*stages[:1], *stages[-1:]]
        params = [
            stage
            if stage in fast
            else pytest.param(stage, marks=pytest.mark.between)
            for stage in stages
        ]
        metafunc.parametrize("stage", params, ids=str, scope="session")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    one_stage = config.getoption("stage") or config.getoption("level")
    no_stage = config.getoption("stage") == 0

    def wanted(item: pytest.Item) -> bool:
        if "stage" not in getattr(item, "fixturenames", ()):
            return not one_stage
        # Where a test is for none of the stages, pytest keeps a skipped one.
        found = item.callspec.params.get("stage")  # type: ignore[attr-defined]
        return isinstance(found, Stage) and not no_stage

    kept = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(
        items=[item for item in items if item not in kept]
    )
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run party servers with the fast transport, or without."""
    if getattr(request, "param", "plain") == "fast":
        use_fast_transport(monkeypatch)


@pytest.fixture
def serve(stage: Stage) -> Iterator[Callable[..., ServerProcess]]:
    """Start the stage on a free port: `serve(AI="none")`; settings by name.

    What was started is stopped when the test ends, and must have printed no
    traceback, unless the test calls `running.expect_traceback()`.
    """
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(start(stage, **settings))


@pytest.fixture
def running(serve: Callable[..., ServerProcess]) -> ServerProcess:
    """The stage, as it runs when nobody sets anything but `AI=none`."""
    return serve()


@pytest.fixture
def openai() -> Iterator[OpenAIStub]:
    """A stub of OpenAI."""
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def ollama() -> Iterator[OllamaStub]:
    """A stub of Ollama."""
    with OllamaStub() as stub:
        yield stub


@pytest.fixture
def stub(
    stub_kind: type[OpenAIStub | OllamaStub],
) -> Iterator[OpenAIStub | OllamaStub]:
    """A stub of OpenAI; with `each_provider`, one of Ollama as well."""
    with stub_kind() as stub:
        yield stub


@pytest.fixture(scope="module")
def shared_talk(
    stage: Stage, stub_kind: type[OpenAIStub | OllamaStub]
) -> Iterator[Talk]:
    """A stage in which a stub answers, for `talk`."""
    with (
        stub_kind() as stub,
        start(stage, **stub.settings, PRESENTER_KEY=KEY) as running,
    ):
        yield Talk(running, stub)


@pytest.fixture
def talk(shared_talk: Talk) -> Iterator[Talk]:
    """A stage in which a stub answers; its rooms are empty.

    The tests of a file share the server, and what it remembers elsewhere.
    """
    yield shared_talk
    shared_talk.reset()


@pytest.fixture
def memory() -> Callable[[ServerProcess], int]:
    """How many KiB of memory a server's process holds."""

    def resident(running: ServerProcess) -> int:
        status = Path(f"/proc/{running.process.pid}/status")
        if not status.exists():
            pytest.skip("this system does not tell what a process holds")
        lines = status.read_text("utf-8").splitlines()
        (line,) = [each for each in lines if each.startswith("VmRSS")]
        return int(line.split()[1])

    return resident


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser for all tests of the session; `person` opens its windows."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def person(chromium: Browser) -> Iterator[People]:
    """Seat somebody at a browser: `person(running, "Ada")`, in a room.

    The test fails if anything goes wrong in anybody's page: an error in a
    module, a breach of the Content-Security-Policy, a file that is missing.
    """
    with people(chromium) as seats:
        yield seats


@pytest.fixture
def context() -> Iterator[AppContext]:
    """The objects of an app, as a room that replies has them."""
    context = AppContext()
    token = current_context.set(context)
    yield context
    current_context.reset(token)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Set the settings of shared/ai, without those of the environment."""
    for name in set(os.environ) - set(environment({})):
        monkeypatch.delenv(name)

    def change(**values: Any) -> Settings:
        given = {name.lower(): value for name, value in values.items()}
        settings = Settings(_env_file=None, **given)
        for name in (
            *("chat_model", "clients", "error_messages", "question_queue"),
            *("streaming", "tokens"),
        ):
            module = importlib.import_module(f"shared.ai.{name}")
            monkeypatch.setattr(module, "settings", lambda: settings)
        return settings

    return change
