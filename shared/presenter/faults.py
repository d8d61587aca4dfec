"""Faults that the presenter causes, and a count of the messages lost by them.

The hall sees that pages reconnect, and that nothing acknowledged is lost.
"""

import asyncio
import json
import math
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from starlette.exceptions import HTTPException

from ..chat.messages import Message
from ..chat.moderation import STATE_FILE_ENV
from ..party import PartyRegistry

SUPERVISED_ENV = "RESTARTED_WHEN_KILLED"
"""Set for a server that is started again when it was killed."""

NOT_SUPERVISED = 409, "Nothing would start this server again."

CUT = 1012, "The connection was cut. Come back in a moment."
"""The close code and reason of connections that the presenter cuts."""

CUT_SECONDS = 2.0
"""Seconds without connections; pages show those beyond 0.3."""

STALL_SECONDS = 10.0

RESTART_DELAY = 0.3
"""Seconds for the answer to reach the presenter's page."""

MAX_COUNTED = 1_000
"""The newest entries of a room's log, of which none may be lost."""

FaultName = Literal["cut_connections", "stall_ai", "restart"]


class RoomSnapshot(NamedTuple):
    """The acknowledged messages of a room before a fault."""

    party: str
    room: str
    last_seq: int
    ids: list[str]


class Faults:
    """Causes faults, and reports what became of the messages before it."""

    def __init__(self, parties: PartyRegistry) -> None:
        self.parties = parties
        self.report: dict[str, Any] | None = None
        """The last fault; `lost` is None until it is over."""
        self._before: list[RoomSnapshot] = []
        self._ends_at = 0.0
        self._load()

    @property
    def can_restart(self) -> bool:
        """Whether something starts the server again."""
        return SUPERVISED_ENV in os.environ and hasattr(signal, "SIGKILL")

    def state(self) -> dict[str, Any]:
        """Return the data of the presenter's page."""
        return {
            "can_restart": self.can_restart,
            "keeps_messages": self.parties.store.backend is not None,
            "report": self.report,
        }

    def cause(self, fault: FaultName) -> None:
        """Cause a fault; raises HTTPException for one that would not end."""
        if fault == "restart" and not self.can_restart:
            raise HTTPException(*NOT_SUPERVISED)
        now = time.monotonic()
        self._take_snapshot(fault)
        if fault == "cut_connections":
            self._ends_at = now + CUT_SECONDS
            self.parties.interrupted_until = self._ends_at
            for connection in self.parties.connections():
                connection.close(*CUT)
        elif fault == "stall_ai":
            self._ends_at = now + STALL_SECONDS
            self.parties.context.app.moderation.stalled_until = self._ends_at
        else:
            self._ends_at = math.inf
            loop = asyncio.get_running_loop()
            loop.call_later(RESTART_DELAY, self._restart)

    def forget(self, party: str, room: str) -> None:
        """Leave out a room that is cleared on purpose."""
        self._before = [
            each for each in self._before if each[:2] != (party, room)
        ]

    async def count_lost(self) -> None:
        """Count the messages that the logs lack, once a fault is over."""
        report = self.report
        if not report or report["lost"] is not None:
            return
        if time.monotonic() < self._ends_at:
            return
        lost = 0
        for party, room, last_seq, ids in self._before:
            async with self.parties.enter(party, room):
                log = self.parties.store.logs(Message)[party, room]
                found = await log.before(last_seq + 1, MAX_COUNTED)
            lost += len({*ids} - {each.id for each in found})
        report["lost"] = lost

    def _take_snapshot(self, fault: FaultName) -> None:
        """Note the messages that are stored, and so acknowledged."""
        self._before = [
            RoomSnapshot(
                *key,
                log[-1].seq or 0,
                [m.id for m in log[-MAX_COUNTED:] if m.role == "user"],
            )
            for key, log in self.parties.store.logs(Message).items()
            if log
        ]
        count = sum(len(each.ids) for each in self._before)
        self.report = {"fault": fault, "acknowledged": count, "lost": None}

    def _restart(self) -> None:
        """Kill this process, as a crash would, and let the next one count."""
        self._take_snapshot("restart")
        with suppress(OSError, KeyError):  # then the next one does not count
            saved = json.dumps({"report": self.report, "before": self._before})
            _snapshot_file().write_text(saved, "utf-8")
        os.kill(os.getpid(), signal.SIGKILL)

    def _load(self) -> None:
        """Take up the snapshot of the server that was killed, if any."""
        with suppress(OSError, KeyError, ValueError):
            saved = json.loads(_snapshot_file().read_text("utf-8"))
            _snapshot_file().unlink()
            self._before = [RoomSnapshot(*each) for each in saved["before"]]
            self.report = saved["report"]


def _snapshot_file() -> Path:
    """Return the file for the next server; KeyError if there is none."""
    return Path(os.environ[STATE_FILE_ENV]).with_name("acknowledged.json")
