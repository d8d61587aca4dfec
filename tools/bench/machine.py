"""The machine that the benchmark runs on."""

import os
import platform
import subprocess
import sys
import time

cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]

SERVER_CORE = cores[0]
CLIENT_CORE = cores[-1]


def pin(process: int, core: int) -> None:
    """Pin a process to a core, on Linux; 0 is this process."""
    if sys.platform == "linux" and len(cores) > 1:
        os.sched_setaffinity(process, {core})


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
    """Return the cores, the system and Python in one line."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} ({platform.machine()}), "
        f"{platform.python_implementation()} {platform.python_version()}"
    )
