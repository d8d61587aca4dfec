"""The presenter's moderation: whom the AI answers, names, cursors."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..party import MessageRejected
from .messages import Message
from .names import name_error, normalize_name, skeletons

MAX_MUTED_NAMES = 100
"""Names that can be muted."""

MAX_CURSOR_NAMES = 1_000
"""Recent names of cursors to compare with muted names."""

MUTED = "The presenter has muted this name."

STATE_FILE_ENV = "PRESENTER_RULES"
"""The environment variable with the path of the file that keeps the state."""


Answers: TypeAlias = Literal["everybody", "presenter", "nobody"]
"""The people whose questions the AI answers."""


class Moderation:
    """The moderation state of all rooms of an app."""

    def __init__(self) -> None:
        self.answers: Answers = "everybody"
        self.times_restricted = 0
        """Times that `answers` became "presenter"; each drops the queues."""
        self.cursors_hidden = False
        self.recordings_only = False
        """Whether recordings answer in the place of the model."""
        self.muted: dict[str, str] = {}
        self.classifier_failing = False
        self.stalled_until = 0.0
        """Until when, by time.monotonic(), the AI is stalled as a test."""
        self.notify: Callable[[], None] = lambda: None
        """Sends the restrictions to all rooms; set by `create_app`."""
        self._muted_skeletons: frozenset[str] = frozenset()
        self._cursor_names: dict[str, str] = {}
        self._resumed = asyncio.Event()
        self._resumed.set()
        self.replying: set[asyncio.Task[Any]] = set()
        """The tasks that stream a reply."""

    @property
    def paused(self) -> bool:
        """Whether the AI answers nobody for now."""
        return self.answers == "nobody"

    def may_answer(self, from_presenter: bool) -> bool:
        """Whether a new question is answered, now or after a pause."""
        return from_presenter or self.answers != "presenter"

    def restrictions(self) -> dict[str, Any]:
        """Return the restrictions for a frame; empty if there are none."""
        current: dict[str, Any] = {}
        if self.answers != "everybody":
            current["ai"] = "paused" if self.paused else "presenter"
        if self.recordings_only:
            current["replies"] = "recorded"
        if self.cursors_hidden:
            current["cursors"] = "hidden"
        if self.classifier_failing:
            current["judge"] = "failing"
        if self.muted:
            alike = filter(self.is_muted, self._cursor_names.values())
            names = {*self.muted, *map(normalize_name, alike)}
            current["muted"] = list(names)
        return current

    def pause(self) -> None:
        """Interrupt the replies in progress, and hold back new ones."""
        self.answers = "nobody"
        self._resumed.clear()
        self._cancel_replies()

    def play_recordings(self) -> None:
        """Interrupt the replies in progress; recordings are the next ones."""
        self.recordings_only = True
        self._cancel_replies()

    def _cancel_replies(self) -> None:
        while self.replying:
            self.replying.pop().cancel()

    def resume(self, only_presenter: bool = False) -> None:
        """Let the AI answer the questions in the queue, or drop the others'."""
        self.answers = "presenter" if only_presenter else "everybody"
        self.times_restricted += only_presenter
        self._resumed.set()

    async def wait_resumed(self) -> None:
        """Wait until the AI is not paused."""
        while self.paused:
            await self._resumed.wait()

    async def wait_stalled(self) -> None:
        """Wait until the AI is not stalled."""
        if (seconds := self.stalled_until - time.monotonic()) > 0:
            await asyncio.sleep(seconds)

    @contextmanager
    def cancel_on_pause(self) -> Iterator[None]:
        """Cancel the current task if the AI is paused within the block."""
        task = asyncio.current_task()
        assert task
        self.replying.add(task)
        if self.paused:
            task.cancel()
        try:
            yield
        finally:
            self.replying.discard(task)

    def report_classifier(self, failing: bool) -> None:
        """Notify all rooms when the should-reply model fails or recovers."""
        if failing != self.classifier_failing:
            self.classifier_failing = failing
            self.notify()

    def mute(self, name: str) -> None:
        """Refuse messages under a name, and under names that look like it."""
        if name_error(name):
            raise MessageRejected("Nobody can speak under that name anyway.")
        key = normalize_name(name)
        if len(self.muted) >= MAX_MUTED_NAMES and key not in self.muted:
            raise MessageRejected(
                f"At most {MAX_MUTED_NAMES} names can be muted."
            )
        self.muted[key] = name
        self._update_skeletons()

    def unmute(self, name: str) -> None:
        """Accept messages under a name again."""
        self.muted.pop(normalize_name(name), None)
        self._update_skeletons()

    def is_muted(self, name: str) -> bool:
        """Whether a name is muted, or looks like a muted one."""
        muted = self._muted_skeletons
        return bool(muted) and not muted.isdisjoint(skeletons(name))

    def check(self, message: Message) -> None:
        """Raise MessageRejected if the name of a message is muted."""
        if self.is_muted(message.user):
            raise MessageRejected(MUTED, message.id)

    def check_cursor_name(self, name: str | None) -> str | None:
        """Return a cursor's name; raise MessageRejected if it is not allowed.

        Pages hide the cursors of muted names. They do not know look-alikes
        that join later, so those are refused.
        """
        if not name:
            return name
        if error := name_error(name):
            raise MessageRejected(error)
        key = normalize_name(name)
        known = key in self.muted or key in self._cursor_names
        if not known and self.is_muted(name):
            raise MessageRejected(MUTED)
        self._cursor_names.pop(key, None)
        self._cursor_names[key] = name
        if len(self._cursor_names) > MAX_CURSOR_NAMES:
            del self._cursor_names[next(iter(self._cursor_names))]
        return name

    def _update_skeletons(self) -> None:
        names = self.muted.values()
        self._muted_skeletons = frozenset[str]().union(*map(skeletons, names))

    def save(self) -> None:
        """Write the state to the file that survives a restart, if any."""
        if file := os.environ.get(STATE_FILE_ENV):
            state = json.dumps({**self.restrictions(), "muted": self.muted})
            with suppress(OSError):  # it still applies until the restart
                Path(file).write_text(state, "utf-8")

    def load(self) -> None:
        """Read the state that the previous server saved, if any."""
        with suppress(OSError, ValueError, KeyError):
            file = Path(os.environ[STATE_FILE_ENV])
            state = json.loads(file.read_text("utf-8"))
            if state.get("ai") == "paused":
                self.pause()
            else:
                self.resume(only_presenter=state.get("ai") == "presenter")
            self.recordings_only = "replies" in state
            self.cursors_hidden = "cursors" in state
            self.muted = state["muted"]
            self._update_skeletons()
