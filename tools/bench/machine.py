"""The machine that the benchmark runs on."""

import os
import platform
import re
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]

SERVER_CORE = cores[0]
CLIENT_CORE = cores[-1]


def pin(process: int, core: int) -> None:
    """Pin a process to a core, on Linux; 0 is this process."""
    if sys.platform == "linux" and len(cores) > 1:
        os.sched_setaffinity(process, {core})


def raise_socket_limit() -> None:
    """Raise the limit of open sockets to what the clients need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4_096 if hard == resource.RLIM_INFINITY else min(hard, 4_096)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process has used so far."""
    if sys.platform == "linux":
        # The clock that clock_getcpuclockid(3) finds.
        return time.clock_gettime(~process << 3 | 2)
    command = ["ps", "-o", "time=", "-p", str(process)]
    minutes, seconds = subprocess.check_output(command, encoding="utf-8").split(
        ":"
    )
    return int(minutes) * 60 + float(seconds)


def description() -> str:
    """Return the processor, cores, system and Python in one line."""
    count = os.cpu_count() or 1
    cores = f"{count} core{'s' if count > 1 else ''}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor()}, {cores}, {platform.system()}, {python}"


def processor() -> str:
    """Return the name of the processor."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        found = re.search(
            r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8")
        )
        return found[1] if found else name
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.check_output(command, encoding="utf-8").strip()
    return name
