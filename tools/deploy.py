"""Build a stage's image and start it: `python3 -m tools.deploy demo_03`.

It runs where Docker does: on this machine, or where DOCKER_HOST=ssh://user@host
or DOCKER_CONTEXT points. PORT is the port on that host, PUBLIC_URL the app's
address for everybody else, and WITH_LOCAL_MODEL=0 leaves the local model out.
All settings come from the environment or .env, as for `make demo-03`.

Where Docker has no compose, it does the same as compose.yaml. It needs nothing
but Python and a Docker client.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.former_settings import RENAMED, ineffective_name

ROOT = Path(__file__).resolve().parent.parent
NAME = "party-chat"

DOCKER_TIMEOUT = 8.0
"""Seconds that Docker has to answer a question."""

STOP_TIMEOUT = 30.0
"""Seconds that it has to stop the app."""

START_TIMEOUT = 90.0
"""Seconds that the app has to start."""

INSTALL = (
    "There is no Docker here: no program `docker` in PATH.\n"
    "Install Docker, or its client alone with DOCKER_HOST=ssh://user@host "
    "set to a machine where it runs."
)
START = (
    "Start Docker there, or set DOCKER_HOST=ssh://user@host to a machine "
    "where it runs, and that ssh enters without asking for a password."
)

Environment = dict[str, str]


def main() -> None:
    stage = sys.argv[1] if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"demo_\d+", stage) or not (ROOT / stage).is_dir():
        sys.exit("usage: python3 -m tools.deploy STAGE, such as demo_02")
    if not (ROOT / stage / "party").is_dir():
        sys.exit(
            f"{stage} has no server that anybody could share: there is "
            "nothing to deploy before make deploy-02."
        )
    try:
        deploy(stage, read_environment(stage))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from here.")


def deploy(stage: str, env: Environment) -> None:
    """Build and start a stage, and print its address."""
    engine = find_engine(env)
    host = host_of(engine, env)
    try:
        netloc = f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        netloc = host
        # The app answers under the names that it is told only.
        names = [env.get("ALLOWED_HOSTS", ""), host]
        env["ALLOWED_HOSTS"] = ",".join(filter(None, names))
    print(f"Building {stage} and starting it on {engine}", flush=True)
    if query(["docker", "compose", "version"], env).works:
        start_with_compose(env)
    else:
        start_without_compose(env)
    url = env.get("PUBLIC_URL") or f"http://{netloc}:{env['PORT']}"
    print(f"{stage} runs at {url} (docker stop {NAME} stops it)")


def read_environment(stage: str) -> Environment:
    """Return the settings: .env's, the environment's, and the stage."""
    file = Path(os.environ.get("ENV_FILE") or ROOT / ".env")
    given = {name: value for name, value in os.environ.items() if value}
    places = {file.name: read_env(file), "the environment": given}
    for place, env in places.items():
        for name in sorted(env.keys() & RENAMED.keys()):
            print(ineffective_name(name, place), file=sys.stderr)
    env = {"PORT": "1999", **places[file.name], **given, "STAGE": stage}
    if not re.fullmatch(r"[0-9]{1,5}", env["PORT"]):
        sys.exit(f"PORT={env['PORT']} is not a port.")
    return env


def read_env(file: Path) -> Environment:
    """Read a file with lines such as `NAME=value  # comment`."""
    env: Environment = {}
    if not file.is_file():
        return env
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip()
        if value[:1] in ("'", '"'):
            value = value[1:].partition(value[0])[0]
        else:
            value = re.sub(r"(^|\s+)#.*", "", value)
        if value and not name.startswith("#"):
            env[name.strip()] = value
    return env


def find_engine(env: Environment) -> str:
    """Return the Docker engine's address; exit if it does not answer."""
    if not shutil.which("docker", path=env.get("PATH")):
        sys.exit(INSTALL)
    inspect = ["docker", "context", "inspect", "--format"]
    context = query([*inspect, "{{.Endpoints.docker.Host}}"], env)
    version = ["docker", "version", "--format", "{{.Server.Version}}"]
    server = query(version, env)
    if not server.works:
        sys.exit(f"No Docker engine answers: {server.text}\n{START}")
    default = context.text if context.works else "this machine"
    return env.get("DOCKER_HOST") or default


def host_of(engine: str, env: Environment) -> str:
    """Return the engine's host name or address, as a browser needs it."""
    parts = urlsplit(engine)
    if parts.scheme not in ("ssh", "tcp", "http", "https"):
        return "127.0.0.1"
    host = parts.hostname or "127.0.0.1"
    if parts.scheme == "ssh" and shutil.which("ssh", path=env.get("PATH")):
        # It may be an alias in ~/.ssh/config.
        resolved = query(["ssh", "-G", "--", host], env).text
        found = re.search(r"^hostname (\S+)$", resolved, re.MULTILINE)
        return found[1] if found else host
    return host


def start_with_compose(env: Environment) -> None:
    """Build and start; compose waits until the app is healthy."""
    up = ["docker", "compose", "up", "--build", "--detach", "--wait"]
    if not run(up, env):
        give_up(env)


def start_without_compose(env: Environment) -> None:
    """Do the same as compose.yaml, with Docker's own commands."""
    image = [f"--tag={NAME}"]
    if "WITH_LOCAL_MODEL" in env:
        image += [f"--build-arg=WITH_LOCAL_MODEL={env['WITH_LOCAL_MODEL']}"]
    if not run(["docker", "build", *image, "."], env):
        sys.exit("The image could not be built: see above.")
    query(["docker", "stop", NAME], env, STOP_TIMEOUT)
    query(["docker", "rm", "--force", NAME], env)
    container = [
        f"--name={NAME}",
        f"--publish={env['PORT']}:1999",
        f"--volume={NAME}_data:/data",  # as compose calls it
        "--add-host=host.docker.internal:host-gateway",
        "--restart=unless-stopped",
        "--stop-timeout=15",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        # By name only: a command line shows no key.
        *(f"--env={name}" for name in container_settings() if name in env),
    ]
    if not run(["docker", "run", "--detach", *container, NAME], env):
        sys.exit("The app could not be started: see above.")
    wait_until_healthy(env)


def container_settings() -> list[str]:
    """Return the settings that compose.yaml passes to the container."""
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    return re.findall(r"^      (\w+): \$\{\1:-\}$", compose, re.MULTILINE)


def wait_until_healthy(env: Environment) -> None:
    """Wait for the health check; exit if it fails."""
    state = "{{.State.Status}} {{.State.Health.Status}}"
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        found = query(["docker", "inspect", "--format", state, NAME], env)
        if found.text == "running healthy":
            return
        if found.works and found.text != "running starting":
            break
        time.sleep(0.5)
    give_up(env)


def give_up(env: Environment) -> None:
    """Stop the app, which would restart for ever, and exit with its log."""
    log = query(["docker", "logs", "--tail=20", NAME], env)
    query(["docker", "stop", NAME], env, STOP_TIMEOUT)
    printed = f"\nIt said:\n{log.text}" if log.works and log.text else ""
    sys.exit(f"It does not run: see above.{printed}")


class Answer(NamedTuple):
    """The result of a command: its success, and its output or error."""

    works: bool
    text: str


def query(
    command: list[str], env: Environment, timeout: float = DOCKER_TIMEOUT
) -> Answer:
    """Run a command unseen, without a terminal that it could read from."""
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"nothing came within {timeout:g} seconds.")
    if done.returncode == 0:
        return Answer(True, (done.stdout + done.stderr).strip())
    # Docker quotes the error of a failed ssh after "stderr=".
    lines = done.stderr.rpartition("stderr=")[2].strip().splitlines()
    return Answer(False, lines[-1] if lines else "it did not say why.")


def run(command: list[str], env: Environment) -> bool:
    """Run a command that prints to the terminal; return whether it works."""
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


if __name__ == "__main__":
    main()
