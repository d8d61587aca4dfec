"""After any events, a room and all its pages show the same in the end.

Hypothesis makes up what happens: who says something, which frames arrive and
which are lost, who is slow, when the server is killed and the room cleared.
The server's own code runs in a loop whose time stands still, the pages' own
modules run in Node: see network.py and pages.py.
"""

import importlib
import json
import logging
import os
import shutil
import sys
from asyncio import Task
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.party import limits, paging
from shared.party import message_rate_limiter as senders
from shared.party.storage import sqlite
from shared.party.storage.sqlite_schema import open_file
from shared.party.storage.store import open_store
from shared.party.storage.stored_log import RETRY_DELAY
from shared.settings import settings

from ..conftest import STAGES
from ..support.pages import Node, node
from ..support.simulated_server import (
    ScriptedAI,
    SimulatedDisk,
    SimulatedLoop,
    SimulatedServer,
    TracebackHandler,
)
from ..support.simulated_socket import SimulatedSocket, Tab

pytestmark = pytest.mark.soak

STEPS = 25
"""How long a history is; then all are to come to rest."""

HISTORY = 4
"""Messages that a newcomer is told."""

OLDER = 5
"""Messages that come when somebody scrolls."""

MAX_TABS = 4

TIMES = int(os.environ.get("TIMES", "1"))
"""TIMES=10 makes up ten times as many histories, and others each time."""

SELDOM = 8
"""Times that each thing has to happen, in all histories."""

A_PROCESS = 150
"""Histories for which one process of Node is used: it forgets no page."""

PATIENT = 100
"""Times that somebody tries, before it is said that there is no end to it."""

chat_room = importlib.import_module(f"{STAGES[-1].folder.name}.party.chat_room")
usage = importlib.import_module(f"{STAGES[-1].folder.name}.party.usage")

PARTIES = {"chatroom": chat_room.ChatRoom, "usage": usage.Usage}

Act = Callable[..., None]

ACTS: dict[str, str] = {}
"""The events, and their preconditions."""


def act(needs: str = "", **drawn: st.SearchStrategy[Any]) -> Any:
    """Something that may happen where there is what it needs; it is counted.

    Half the time, somebody has just said something.
    """

    def decorate(do: Act) -> Any:
        @wraps(do)
        def counted(self: "Histories", speaker: int, **given: Any) -> None:
            if speaker < 3 * MAX_TABS:
                words = ["word", "word", "what?"][speaker // MAX_TABS]
                self.speak(pick(speaker, self.tabs), words)
            do(self, **given)
            self.happened[do.__name__] += 1

        ACTS[do.__name__] = needs
        made = rule(speaker=st.integers(0, 5 * MAX_TABS), **drawn)(counted)
        if not needs:
            return made
        return precondition(lambda self: bool(getattr(self, needs)))(made)

    return decorate


ANY = st.integers(0, 11)
"""Which one of those that there are."""

FEW = st.integers(0, 3)
FAR = st.sampled_from([0, 1, 2, PATIENT, PATIENT])
"""How often everything then arrives: at the server, and at the pages."""


class Nodes:
    """Lends a process in which pages live."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.lent = 0

    def lend(self) -> Node:
        """The one there is, or a new one."""
        if self.lent % A_PROCESS == 0:
            self.stack.close()
            self.node = self.stack.enter_context(node())
        self.lent += 1
        return self.node


class Histories(RuleBasedStateMachine):
    """A room, the tabs that are in it, and what happens to them."""

    keeps: ClassVar[bool]
    """Whether what is said outlives the server."""

    nodes: ClassVar[Nodes]
    voice: ClassVar[ScriptedAI]
    clock: ClassVar[Any]
    faults: ClassVar[TracebackHandler]
    folder: ClassVar[Path]
    happened: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.file = self.folder / "party.db"
        for file in self.folder.glob("party.db*"):
            file.unlink()
        shutil.copy(self.folder / "new.db", self.file)
        self.node = self.nodes.lend()
        self.faults.found.clear()
        self.loop = SimulatedLoop(self.faults.found)
        self.clock.monotonic = self.loop.time
        self.tabs: list[Tab] = []
        self.said: dict[str, str] = {}
        self.gone: set[str] = set()
        self.heard: set[str] = set()
        self.clearings: list[tuple[Task[None], set[str]]] = []
        self.server = self.start()

    def start(self) -> SimulatedServer:
        """Start a server."""
        where = f"sqlite:{self.file}" if self.keeps else "memory"
        store = open_store(where, HISTORY)
        return SimulatedServer(self.loop, PARTIES, store, self.heard)

    # State

    @property
    def seats(self) -> bool:
        return len(self.tabs) < MAX_TABS

    @property
    def wired(self) -> list[Tab]:
        return [tab for tab in self.tabs if tab.socket]

    @property
    def away(self) -> list[Tab]:
        return [tab for tab in self.tabs if not tab.socket]

    @property
    def slow(self) -> list[Tab]:
        return [tab for tab in self.tabs if tab.is_slow]

    @property
    def expecting(self) -> list[Tab]:
        return [tab for tab in self.wired if tab.socket and tab.socket.down]

    @property
    def refused(self) -> list[Tab]:
        return [tab for tab in self.tabs if tab.refused]

    @property
    def arriving(self) -> list[SimulatedSocket]:
        return [socket for socket in self.server.sockets if socket.up]

    @property
    def moving(self) -> bool:
        return bool(self.arriving or self.expecting)

    @property
    def asked(self) -> bool:
        return self.voice.words is not None

    @property
    def known(self) -> bool:
        return self.server.is_known

    @property
    def disk(self) -> SimulatedDisk | None:
        return self.server.disk

    @property
    def backlog(self) -> bool:
        return bool(self.disk and self.disk.waiting)

    @property
    def space(self) -> bool:
        return not (self.disk and self.disk.database.is_full)

    # Events

    @initialize(
        people=st.integers(1, 3), words=st.integers(0, 9), slow=st.booleans()
    )
    def some_have_met(self, people: int, words: int, slow: bool) -> None:
        for _ in range(people):
            self.join()
        self.flow()
        for n in range(words):
            self.speak(pick(n, self.tabs), "hello")
            self.flow()
            self.loop.run(1)
        if self.disk:
            self.disk.is_slow = slow

    @act("seats", far=FAR)
    def somebody_joins(self, far: int) -> None:
        self.join()
        self.flow(far)

    @act(who=ANY, times=st.integers(1, 3), far=FAR)
    def somebody_speaks(self, who: int, times: int, far: int) -> None:
        for n in range(times):
            self.speak(pick(who, self.tabs), f"word {n}")
        self.flow(far)

    @act(who=ANY, far=FAR)
    def somebody_asks(self, who: int, far: int) -> None:
        self.speak(pick(who, self.tabs), "what?")
        self.flow(far)

    @act("asked", words=st.sampled_from(["yes", "no, ", "", None]), far=FAR)
    def the_ai_goes_on(self, words: str | None, far: int) -> None:
        self.answer(words)
        self.flow(far)

    @act("moving", late=st.booleans())
    def all_arrives(self, late: bool) -> None:
        self.flow(late=late)

    @act("arriving", which=ANY, most=st.integers(1, 4))
    def some_arrives_at_the_server(self, which: int, most: int) -> None:
        pick(which, self.arriving).push(most)
        self.loop.run()

    @act("arriving", most=st.integers(1, 3))
    def much_arrives_at_the_server_at_once(self, most: int) -> None:
        for socket in self.arriving:
            socket.push(most)
        self.loop.run()

    @act("expecting", who=ANY, most=st.integers(1, 4))
    def some_arrives_at_a_page(self, who: int, most: int) -> None:
        pick(who, self.expecting).pull(most)

    @act("wired", who=ANY, up=FEW, down=FEW, seen=st.booleans())
    def a_connection_breaks(
        self, who: int, up: int, down: int, seen: bool
    ) -> None:
        tab = pick(who, self.wired)
        tab.cut(up, down)
        if seen:
            tab.pull()

    @act("wired", who=ANY, up=FEW, down=FEW, far=FAR)
    def somebody_is_back_before_the_server_knows(
        self, who: int, up: int, down: int, far: int
    ) -> None:
        tab = pick(who, self.wired)
        tab.cut(up, down)
        tab.pull()
        tab.connect(self.server)
        self.flow(far, late=False)

    @act("wired", who=ANY)
    def the_server_alone_loses_a_connection(self, who: int) -> None:
        pick(who, self.wired).lose()
        self.loop.run()

    @act("away", who=ANY, far=FAR)
    def somebody_comes_back(self, who: int, far: int) -> None:
        pick(who, self.away).connect(self.server)
        self.flow(far)

    @act(who=ANY, far=FAR)
    def a_page_is_loaded_again(self, who: int, far: int) -> None:
        tab = pick(who, self.tabs)
        tab.reload()
        tab.connect(self.server)
        self.flow(far)

    @act("refused", who=ANY, which=ANY, again=st.booleans())
    def somebody_decides_on_what_was_refused(
        self, who: int, which: int, again: bool
    ) -> None:
        tab = pick(who, self.refused)
        id = pick(which, tab.refused)
        tab.refused.remove(id)
        if again:
            tab.retry(id)
        elif id in tab.failed():
            tab.page.remove(id)
            self.gone.add(id)

    @act("wired", who=ANY)
    def somebody_slows_down(self, who: int) -> None:
        pick(who, self.wired).slow_down(True)

    @act("slow", who=ANY)
    def somebody_is_fast_again(self, who: int) -> None:
        pick(who, self.slow).slow_down(False)
        self.loop.run()

    @act(who=ANY, far=FAR)
    def somebody_scrolls(self, who: int, far: int) -> None:
        self.scroll(pick(who, self.tabs))
        self.flow(far)

    @act(seconds=st.sampled_from([0.04, 0.3, 1, 4.5, 12]))
    def time_passes(self, seconds: float) -> None:
        self.wait(seconds)

    @act("known", far=FAR)
    def the_room_is_cleared(self, far: int) -> None:
        had = self.kept()
        self.clearings.append((self.server.clear(), had))
        self.flow(far)

    @act("space", grace=st.sampled_from([None, 0, 1]), kept=FEW, down=FEW)
    def the_server_restarts(
        self, grace: float | None, kept: int, down: int
    ) -> None:
        if not self.keeps:
            self.gone |= self.kept()
        if grace is None:
            self.server.kill(kept)
        else:
            self.server.stop(grace)
        self.restart(down)

    @act("disk", slow=st.sampled_from([True, True, False]))
    def the_disk_slows_down_or_not(self, slow: bool) -> None:
        assert self.disk
        self.disk.is_slow = slow
        self.loop.run()

    @act("backlog", most=st.integers(1, 2))
    def the_slow_disk_writes(self, most: int) -> None:
        assert self.disk
        self.disk.write_now(most)
        self.loop.run()

    @act("disk", full=st.booleans())
    def the_disk_fills_up_or_not(self, full: bool) -> None:
        self.fill(full)

    # How it is done

    def join(self) -> None:
        """Open a tab."""
        self.tabs.append(Tab(self.node.page()))
        self.tabs[-1].connect(self.server)

    def speak(self, tab: Tab, body: str) -> None:
        """Say something in a tab."""
        self.said[tab.say(body)] = body

    def answer(self, words: str | None) -> None:
        """Have the AI say something."""
        if self.voice.words:
            self.voice.words.put_nowait(words)
            self.loop.run()

    def flow(self, far: int = PATIENT, late: bool = True) -> bool:
        """Have everything arrive, but for what is slow: whether any did.

        An odd number of steps ends at the server. Not `late`: what pages have
        let go of stays on its way.
        """
        for step in range(far):
            if step % 2 == 0:
                moved = [socket.push() for socket in self.coming(late)]
                self.loop.run()
            else:
                moved += [tab.pull() for tab in self.tabs if not tab.is_slow]
                if not any(moved):
                    return step > 1
        assert far < PATIENT, "There is no end to it."
        return False

    def coming(self, late: bool) -> list[SimulatedSocket]:
        """The sockets on which something comes to the server."""
        held = {tab.socket for tab in self.tabs}
        return [socket for socket in self.arriving if late or socket in held]

    def wait(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.loop.run(seconds)
        for tab in self.tabs:
            tab.advance(seconds)

    def kept(self) -> set[str]:
        """The ids that are in the log, or may be there soon."""
        if self.disk and self.disk.is_slow:
            return set(self.heard)
        return {each.id for each in self.server.everything()}

    def fill(self, full: bool) -> None:
        """Have no more space on the disk, or some again."""
        assert self.disk
        self.disk.database.is_full = full
        # The end of a reply that did not fit is written a little later.
        self.loop.run(0 if full else RETRY_DELAY + 0.1)

    def restart(self, down: int) -> None:
        """Have another server; of the last words, some arrive."""
        for tab in self.wired:
            tab.cut(0, down)
        acks = self.server.acks if self.keeps else {}
        self.server = self.start()
        self.server.acks |= acks

    # How it ends

    def teardown(self) -> None:
        """Check, unless it has failed already."""
        try:
            if not sys.exc_info()[1]:
                self.settle()
                self.check()
                self.happened["histories"] += 1
        finally:
            self.server.kill(0)
            # Hypothesis may give up before a check: no refusal is left over.
            for clearing, _ in self.clearings:
                _ = clearing.cancelled() or clearing.exception()
            for tab in self.tabs:
                tab.page.leave()
            self.loop.close()

    def settle(self) -> None:
        """Mend all, have everybody come back, and wait until all is quiet."""
        if self.disk:
            self.disk.is_slow = False
            self.fill(False)
        for _ in range(PATIENT):
            self.answer("")
            for tab in self.wired:
                tab.mend()
            for tab in self.away:
                tab.connect(self.server)
            self.flow()
            waits = [tab.urge() for tab in self.tabs]
            self.wait(1)
            if not (self.flow() or any(waits) or self.server.is_busy):
                return
        raise AssertionError("It never becomes quiet.")

    def check(self) -> None:
        """See that all show the same, which is all that there is to show."""
        log = self.server.everything()
        ids = [each.id for each in log]
        assert len(ids) == len(set(ids))
        told = [
            {
                **each.model_dump(exclude_none=True),
                "status": each.status or "sent",
            }
            for each in log
        ]
        for tab in self.tabs:
            self.read(tab)
            assert tab.page.shown() == told
        for clearing, had in self.clearings:
            if clearing.cancelled() or not clearing.exception():
                self.gone |= had
        assert set(self.said) - self.gone <= set(ids)
        for each in log:
            if each.role == "user":
                assert each.body == self.said[each.id]
            else:
                assert each.status not in ("thinking", "streaming")
        self.server.check()
        assert self.loop.faults == []

    def scroll(self, tab: Tab) -> bool:
        """Scroll to the beginning; return whether the page loads more."""
        loads = tab.page.scroll()
        for seq in tab.page.requested():
            slow = self.disk and self.disk.is_slow
            if self.disk:
                self.disk.is_slow = False  # the page waits for what is written
            loading = paging.encode_page(self.server.log, seq)
            page = json.loads(self.loop.do(loading))
            if self.disk:
                self.disk.is_slow = bool(slow)
            tab.page.receive({"type": "older", **page})
        return loads

    def read(self, tab: Tab) -> None:
        """Scroll to the beginning."""
        for _ in range(PATIENT):
            if not self.scroll(tab):
                return
            self.flow()
            self.loop.run(1)
            tab.advance(1)
        raise AssertionError("It never comes to the beginning.")


T = TypeVar("T")


def pick(number: int, some: list[T]) -> T:
    """One of those that there are."""
    return some[number % len(some)]


class InMemory(Histories):
    keeps = False


class InAFile(Histories):
    keeps = True


@pytest.fixture
def happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Counter[str]]:
    """How often each thing has happened; time, disk and AI are others here."""
    Histories.folder, Histories.happened = tmp_path, Counter()
    Histories.nodes, Histories.faults = Nodes(), TracebackHandler()
    Histories.clock, Histories.voice = SimpleNamespace(), ScriptedAI()
    monkeypatch.setenv("HISTORY_LIMIT", str(HISTORY))
    settings.cache_clear()
    monkeypatch.setattr(paging, "PAGE_SIZE", OLDER)
    monkeypatch.setattr(sqlite, "Writer", SimulatedDisk)
    monkeypatch.setattr(limits, "time", Histories.clock)
    monkeypatch.setattr(senders, "time", Histories.clock)
    for name in ("stream_reply", "should_reply"):
        own = getattr(Histories.voice, name)
        monkeypatch.setattr(chat_room, name, own)
    for name in ("party", "ai"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr(logger, "handlers", [Histories.faults])
    open_file(str(tmp_path / "new.db")).close()
    with Histories.nodes.stack:
        yield Histories.happened
    settings.cache_clear()


@pytest.mark.timeout(600 * TIMES)
@pytest.mark.parametrize(
    ("machine", "least"), [(InMemory, 300), (InAFile, 250)]
)
def test_all_pages_converge(
    machine: type[Histories], least: int, happened: Counter[str]
) -> None:
    least *= TIMES
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=least,
            stateful_step_count=STEPS,
            derandomize=TIMES == 1,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    assert happened["histories"] >= least
    missing = {} if machine.keeps else {"disk", "backlog"}
    possible = [name for name, needs in ACTS.items() if needs not in missing]
    assert min(happened[name] for name in possible) >= SELDOM, happened
