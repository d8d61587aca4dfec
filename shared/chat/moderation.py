"""What the presenter decided for everybody: the AI, cursors and names."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..party import Refused
from .names import bare, problem_with, skeletons

MOST_MUTED = 100
"""How many names may be muted."""

MAX_LABELS = 1_000
"""Names of cursors that are remembered, so that look-alikes can be hidden."""

MUTED = "The presenter has muted this name."

KEPT = "PRESENTER_RULES"
"""The variable that names the file in which they outlast a restart."""


class House:
    """What holds in all rooms, until the presenter decides otherwise."""

    def __init__(self) -> None:
        self.cursors_hidden = False
        self.muted: dict[str, str] = {}
        self.judge_failing = False
        self.tell: Callable[[], None] = lambda: None
        """Tells all rooms what holds now; the app sets it."""
        self._muted_skeletons: frozenset[str] = frozenset()
        self._labels: dict[str, str] = {}
        self._going = asyncio.Event()
        self._going.set()
        self._writing: set[asyncio.Task[Any]] = set()

    @property
    def paused(self) -> bool:
        """Whether the AI is to say nothing."""
        return not self._going.is_set()

    def rules(self) -> dict[str, Any]:
        """What everybody's page has to know; empty, as long as all may go."""
        rules: dict[str, Any] = {}
        if self.paused:
            rules["ai"] = "paused"
        if self.cursors_hidden:
            rules["cursors"] = "hidden"
        if self.judge_failing:
            rules["judge"] = "failing"
        if self.muted:
            looks_muted = filter(self.silences, self._labels.values())
            rules["muted"] = list({*self.muted, *map(bare, looks_muted)})
        return rules

    def pause(self) -> None:
        """End the replies that are being written, and let none begin."""
        self._going.clear()
        while self._writing:
            self._writing.pop().cancel()

    def resume(self) -> None:
        """Let the AI go on with the questions that wait."""
        self._going.set()

    async def resumed(self) -> None:
        """Wait while the AI is paused."""
        while self.paused:
            await self._going.wait()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While a task is in here, a pause cancels it."""
        task = asyncio.current_task()
        assert task
        self._writing.add(task)
        if self.paused:
            task.cancel()
        try:
            yield
        finally:
            self._writing.discard(task)

    def report_judge(self, failing: bool) -> None:
        """Tell all rooms when the model that decides about replies fails."""
        if failing != self.judge_failing:
            self.judge_failing = failing
            self.tell()

    def mute(self, name: str) -> None:
        """Let nobody speak under a name from now on."""
        if problem_with(name):
            raise Refused("Nobody can speak under that name anyway.")
        if len(self.muted) >= MOST_MUTED and bare(name) not in self.muted:
            raise Refused(f"At most {MOST_MUTED} names can be muted.")
        self.muted[bare(name)] = name
        self._note_skeletons()

    def unmute(self, name: str) -> None:
        """Let people speak under that name again."""
        self.muted.pop(bare(name), None)
        self._note_skeletons()

    def silences(self, name: str) -> bool:
        """Whether a name is muted, or looks like one that is."""
        muted = self._muted_skeletons
        return bool(muted) and not muted.isdisjoint(skeletons(name))

    def check_label(self, name: str | None) -> str | None:
        """Return the name at a cursor; raise Refused if it may not be used.

        Pages hide the names that they know to be muted. A look-alike that
        comes later is refused, as they do not know it.
        """
        if not name:
            return name
        if problem := problem_with(name):
            raise Refused(problem)
        spelling = bare(name)
        if self.silences(name) and spelling not in {*self.muted, *self._labels}:
            raise Refused(MUTED)
        self._labels.pop(spelling, None)
        self._labels[spelling] = name
        if len(self._labels) > MAX_LABELS:
            del self._labels[next(iter(self._labels))]
        return name

    def _note_skeletons(self) -> None:
        names = self.muted.values()
        self._muted_skeletons = frozenset[str]().union(*map(skeletons, names))

    def save(self) -> None:
        """Keep what holds now for the server that comes after this one."""
        if file := os.environ.get(KEPT):
            kept = json.dumps({**self.rules(), "muted": self.muted})
            with suppress(OSError):  # it holds here all the same
                Path(file).write_text(kept, "utf-8")

    def load(self) -> None:
        """Take up what held in the server before this one."""
        with suppress(OSError, ValueError, KeyError):
            rules = json.loads(Path(os.environ[KEPT]).read_text("utf-8"))
            if "ai" in rules:
                self.pause()
            self.cursors_hidden = "cursors" in rules
            self.muted = rules["muted"]
            self._note_skeletons()


house = House()
"""The one of this process."""
