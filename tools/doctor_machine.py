"""Check this machine: Python, the port, the network, the disk, open files."""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import setup
from .finding import DEMO, Finding, note, ok, output_of, wrong

INSTALLED_MEGABYTES = 300
"""Disk space that an installation takes, and some more."""


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):  # noqa: UP036
        return ok(f"Python {version}")
    text = f"Python {version}: Party Chat needs 3.11 or later"
    for minor in range(20, 10, -1):
        name = f"python3.{minor}"
        if output_of(name, "--version"):
            return wrong(text, f"{DEMO} PYTHON={name}")
    return wrong(text, "Install it: https://www.python.org/downloads/")


def check_port(settings: dict[str, Any]) -> Finding:
    """Check that the app can listen on its port, or name who does."""
    host, port = settings["host"], settings["port"]
    try:
        bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text, mend = who_listens(port)
            return wrong(f"port: {host}:{port} is taken by {text}", mend)
        low = error.errno == errno.EACCES
        mend = another_port() if low else f"{DEMO} HOST=127.0.0.1"
        text = f"port: {host}:{port} cannot be used: {error.strerror}"
        return wrong(text, mend)
    return ok(f"port: {host}:{port} is free")


def bind(host: str, port: int) -> None:
    """Bind as the app does, and close at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))


def another_port() -> str:
    """Return the command that uses a free port."""
    for port in range(2000, 2100):
        with suppress(OSError):
            bind("0.0.0.0", port)
            break
    return f"{DEMO} PORT={port}"


def who_listens(port: int) -> tuple[str, str]:
    """Return who listens on a port, and the command that gets around it."""
    pids = listeners(port)
    for pid in pids:
        line = output_of("ps", "-ww", "-o", "ppid=,args=", "-p", str(pid))
        parent, _, command = line.strip().partition(" ")
        # A server that reloads has two; the parent ends the child.
        if parent not in map(str, pids):
            ours = re.search(r"shared\.serve|tools\.present", command) or (
                "python" in command and runs_here(pid)
            )
            mend = f"kill {pid}" if ours else another_port()
            return f"process {pid} ({command.strip()[:80]})", mend
    return "a process that is not yours", another_port()


def runs_here(pid: int) -> bool:
    """Whether a process was started in this folder, as far as can be told."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd") == str(setup.ROOT)
    return False


def listeners(port: int) -> list[int]:
    """Return the processes that listen on a port."""
    if not os.path.exists("/proc/net/tcp"):
        # As on a Mac.
        found = output_of("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t")
        return sorted(map(int, found.split()))
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (
                Path("/proc/net", table).read_text("utf-8").splitlines()
            ):
                _, address, _, state, *more = line.split()
                if state == "0A" and address.endswith(f":{port:04X}"):
                    sockets.add(f"socket:[{more[5]}]")
    pids = set()
    for entry in glob.glob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(entry) in sockets:
                pids.add(int(entry.split("/")[2]))
    return sorted(pids)


def check_network(settings: dict[str, Any]) -> Finding:
    """Check that there is an address for phones."""
    from shared.presenter.lan import lan_address

    if url := settings.get("public_url"):
        return ok(f"network: others find the app at {url}")
    if address := lan_address():
        return ok(f"network: with LAN=1, others find this machine at {address}")
    return note(
        "network: others cannot find this machine. Join a Wi-Fi, or a tunnel:",
        f"{DEMO} PUBLIC_URL=https://party.example.org",
    )


def check_disk(is_installed: bool) -> Finding:
    """Check that an installation fits, unless it is there already."""
    free = shutil.disk_usage(setup.ROOT).free // 1_000_000
    if free >= INSTALLED_MEGABYTES:
        return ok(f"disk: {free / 1000:.1f} GB free")
    level = note if is_installed else wrong
    text = (
        f"disk: {free} MB free, and an installation takes {INSTALLED_MEGABYTES}"
    )
    pip = f"{sys.executable} -m pip cache purge"
    return level(text, "uv cache clean" if shutil.which("uv") else pip)


def check_descriptors() -> Finding:
    """Check that the limit of open files suffices for a crowd."""
    from shared.file_descriptors import MIN_PEOPLE, people_within, raise_limit

    limit = raise_limit()  # as the app does
    people = people_within(limit)
    text = f"open files: {limit:,}, enough for {people:,} people"
    if people >= MIN_PEOPLE:
        return ok(text)
    if shutil.which("prlimit"):
        return note(text, "sudo prlimit --nofile=65536 --pid $$")
    return note(text, "sudo launchctl limit maxfiles 65536 65536")
