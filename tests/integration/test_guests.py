"""`make guests`: simulated people in a demo that runs, for a rehearsal."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgpack
import pytest

from tools.guests import MAX_GUESTS, check_address
from tools.simulated_guest import guest_name, join_frame

from ..support.presenting import presenting
from ..support.server_process import PATIENCE, ROOT, Stage, start


class GuestsProcess:
    """The command, and what its terminal shows."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.guests", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def shows(self, pattern: str) -> None:
        r"""Wait until the state matches; `\r` is read as `\n`."""
        assert self.process.stdout
        line, deadline = "", time.monotonic() + PATIENCE
        while not re.search(pattern, line):
            assert time.monotonic() < deadline, line
            line = (line + self.process.stdout.read(1)).rpartition("\n")[2]

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """End it; return its last output, and its errors."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE)


@contextmanager
def guests_at(address: str, *options: str) -> Iterator[GuestsProcess]:
    """Run the command for as long as the block lasts."""
    guests = GuestsProcess(f"ADDRESS={address}", "PACE=0.2", *options)
    try:
        yield guests
    finally:
        guests.process.kill()
        guests.process.communicate()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1999",
        "http://localhost:2000/",
        "http://192.168.0.7:1999/",
        "http://10.1.2.3:1999",
        "http://[::1]:1999",
    ],
)
def test_check_address_accepts_this_machine_and_the_lan(address: str) -> None:
    assert check_address(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "http://8.8.8.8:1999",
        "http://0.0.0.0:1999",
        "http://party.example.org",
        "https://127.0.0.1:1999",
        "http://127.0.0.1:1999/chats",
        "http://127.0.0.1:1999?a=b",
        "http://127.0.0.1@8.8.8.8:1999",
        "http://me@127.0.0.1:1999",
        "127.0.0.1:1999",
        "http://",
    ],
)
def test_check_address_refuses_all_others(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        check_address(address)


def test_guest_names_are_unique() -> None:
    names = {guest_name(number) for number in range(MAX_GUESTS)}
    assert len(names) == MAX_GUESTS


@pytest.mark.parametrize(
    "option",
    [
        "ADDRESS=http://8.8.8.8:1999",
        "N=501",
        "MINUTES=1000",
        "PACE=soon",
        "ADDRESS=http://127.0.0.1:9",
    ],
)
def test_guests_refuse_an_option_in_one_line(option: str) -> None:
    output, errors = GuestsProcess(option).process.communicate(timeout=PATIENCE)
    assert output == ""
    assert errors.count("\n") == 1
    assert option.partition("=")[2] in errors


def test_guests_chat_and_have_cursors_until_they_are_stopped() -> None:
    with (
        start(Stage(5, ROOT / "demo_05")) as running,
        running.join(party="presence") as ada,
        guests_at(running.url, "N=3") as guests,
    ):
        ada.socket.send(join_frame("Ada"))
        names: set[str] = set()
        while len(names) < 4:
            frame = msgpack.unpackb(ada.socket.recv(PATIENCE))
            users = frame.get("users") or frame.get("add")
            names |= {user["info"]["name"] for user in users.values()}
        assert names == {"Ada", *map(guest_name, range(3))}
        guests.shows(r"[4-9] acknowledged")
        last, errors = guests.end()
        assert errors == ""
        assert guests.process.returncode == 0
        assert last.endswith("\n")
        (told,) = re.findall(r"(\d+) acknowledged, 0 refused +\n", last)
        with running.join() as ben:
            said = ben.wait_for("history")["messages"]
    assert len(said) >= int(told) >= 4
    assert {each["user"] for each in said} <= names


def test_guests_count_as_browsers_of_their_own() -> None:
    """Otherwise they would share the rate limit of their address."""
    limit = {"MAX_MESSAGES_PER_SECOND": "1"}
    with (
        start(Stage(2, ROOT / "demo_02"), **limit) as running,
        guests_at(running.url, "N=20", "PACE=1.5") as guests,
    ):
        guests.shows(r"^20 people.*[4-9]\d acknowledged, 0 refused")


def test_guests_follow_present_from_stage_to_stage() -> None:
    with presenting() as present:
        present.runs(1)
        with guests_at(present.url, "N=3") as guests:
            guests.shows("^0 people, 0 sent")
            for stage in (2, 3):
                present.press("n")
                present.runs(stage)
                with present.join() as ada:
                    for _ in range(4):
                        ada.wait_for("update")
