"""The machine that a bench runs on."""

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

SERVERS_CORE = cores[0]
CROWDS_CORE = cores[-1]


def pin(process: int, core: int) -> None:
    """Keep a process on one core, where the system can; 0 is this one."""
    if sys.platform == "linux" and len(cores) > 1:
        os.sched_setaffinity(process, {core})


def allow_sockets() -> None:
    """Let this process have as many sockets as the crowds need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4_096 if hard == resource.RLIM_INFINITY else min(hard, 4_096)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def cpu_seconds(process: int) -> float:
    """Seconds that a process has computed so far."""
    if sys.platform == "linux":
        # The clock that clock_getcpuclockid(3) finds.
        return time.clock_gettime(~process << 3 | 2)
    command = ["ps", "-o", "time=", "-p", str(process)]
    minutes, seconds = subprocess.check_output(command, encoding="utf-8").split(
        ":"
    )
    return int(minutes) * 60 + float(seconds)


def description() -> str:
    """The machine in a few words: processor, cores, system and Python."""
    count = os.cpu_count() or 1
    cores = f"{count} core{'s' if count > 1 else ''}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor()}, {cores}, {platform.system()}, {python}"


def processor() -> str:
    """What the processor calls itself."""
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
