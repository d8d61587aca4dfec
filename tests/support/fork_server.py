"""Start servers by fork from a process that has imported all they need.

A stage imports for half a second, and for a whole one with an AI. Here that is
done once for each process of pytest: `python -m tests.support.fork_server FD`
imports, and forks for each request that comes over the socket FD.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

PRELOADED = [
    "shared.serve",
    "shared.ai",
    "ollama",
    "openai.resources.chat",
    "pygments.lexers.javascript",
    "pygments.lexers.python",
    "uvloop",
]

READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC", "ENV_FILE", "TZ")
"""How the names of variables begin that a forked process has read already."""

IS_SUPPORTED = sys.platform == "linux"


class ForkedProcess:
    """A forked server, with what tests use of `subprocess.Popen`."""

    def __init__(
        self, module: str, cwd: str, env: dict[str, str], stderr: IO[Any]
    ) -> None:
        self.returncode: int | None = None
        reading, writing = os.pipe()
        self.stdout: IO[str] | None = open(  # noqa: SIM115
            reading, encoding="utf-8", errors="replace"
        )
        self._status, theirs = socket.socketpair()
        with theirs:
            request = json.dumps([module, cwd, env]).encode()
            control = fork_server().control
            fds = [theirs.fileno(), writing, stderr.fileno()]
            socket.send_fds(control, [len(request).to_bytes(4)], fds)
            control.sendall(request)
        os.close(writing)
        self.pid = int.from_bytes(self._status.recv(4))
        if not self.pid:
            raise AssertionError("The fork server has ended.")

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process; return its exit status."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked server", timeout or 0)
            status = self._status.recv(4)
            self.returncode = int.from_bytes(status, signed=True)
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks, and the socket to it."""

    def __init__(self, root: str, env: dict[str, str]) -> None:
        self.env = env
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=root,
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the process that forks; forked servers go on."""
        self.control.close()
        self.process.wait()


_fork_server: ForkServer | None = None


def prepare(root: str, env: dict[str, str]) -> None:
    """Start the process that forks, unless it runs already."""
    global _fork_server
    if _fork_server is None:
        _fork_server = ForkServer(root, env)


def fork_server() -> ForkServer:
    """Return the process that forks."""
    assert _fork_server
    return _fork_server


def can_fork(env: dict[str, str]) -> bool:
    """Whether a process with this environment can be a forked one."""
    folders = env.get("PYTHONPATH", "").split(os.pathsep)
    return (
        IS_SUPPORTED
        and not any(Path(each, "sitecustomize.py").exists() for each in folders)
        and read_at_start(env) == read_at_start(fork_server().env)
    )


def read_at_start(env: dict[str, str]) -> dict[str, str]:
    """Return the variables that have no effect after the imports."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith(READ_AT_START) and name != "PYTHONPATH"
    }


def main() -> None:
    """Import, and fork at each request; return in each forked process only."""
    import importlib

    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # neither a collection nor the exit looks at these again
    control = socket.socket(fileno=int(sys.argv[1]))
    waking, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, waking], [], [])
        if waking in ready:
            waking.recv(4096)
            report(children)
        if control not in ready:
            continue
        head, fds, _, _ = socket.recv_fds(control, 4, 3)
        if not head:
            os._exit(0)
        module, cwd, env = json.loads(receive(control, int.from_bytes(head)))
        status = socket.socket(fileno=fds[0])
        if pid := os.fork():
            children[pid] = status
            status.sendall(pid.to_bytes(4))
            for fd in fds[1:]:
                os.close(fd)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in (control, waking, woken, status, *children.values()):
            each.close()
        for target, fd in zip((1, 2), fds[1:], strict=True):
            os.dup2(fd, target)
            os.close(fd)
        encoding = sys.stdout.encoding
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stderr = open(  # noqa: SIM115
            2, "w", 1, encoding, "backslashreplace", closefd=False
        )
        atexit.register(gc.freeze)
        os.environ.clear()
        os.environ.update(env)
        os.chdir(cwd)
        sys.path[:0] = env["PYTHONPATH"].split(os.pathsep)
        sys.argv[:] = ["shared.serve", module]
        return


def report(children: dict[int, socket.socket]) -> None:
    """Send the exit status of each child that has ended."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            with children.pop(ended[0]) as status, suppress(OSError):
                status.sendall(code.to_bytes(4, signed=True))


def receive(sock: socket.socket, size: int) -> bytes:
    """Receive so many bytes."""
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


if __name__ == "__main__":
    main()
    import shared.serve

    shared.serve.main()
