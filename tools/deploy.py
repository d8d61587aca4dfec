"""Build a demo's image and start it, wherever Docker runs.

    python3 tools/deploy.py demo_03

That is on this machine, or where DOCKER_HOST=ssh://user@host or
DOCKER_CONTEXT points. PUBLIC_URL is the app's address for everybody else,
PORT the port on the Docker host; WITH_LOCAL_MODEL=0 leaves the local model
out. What else the app is to know is set as for `make demo-03`: in the
environment or in .env.

It does what compose.yaml says, also where Docker has no compose. It needs
nothing but Python and a Docker client.
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
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
NAME = "party-chat"

SETTINGS = [
    "STAGE",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "ALLOWED_ORIGINS",
    "PARTY_HOST",
    "COUNTRY_HEADER",
    "PRESENTER_KEY",
    "COOKIE_SECRET",
    "STORE",
    "FAST_TRANSPORT",
    "AI",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "OLLAMA_HOST",
    "OLLAMA_MODEL",
    "AI_TIMEOUT",
    "AI_FIRST_TOKEN_TIMEOUT",
    "AI_REPLY_TIMEOUT",
    "SHOULD_REPLY",
    "SHOULD_REPLY_MODEL",
    "MAX_FRAME_BYTES",
    "MAX_BODY_BYTES",
    "MAX_MESSAGES_PER_SECOND",
    "MAX_ROOM_MESSAGES_PER_SECOND",
    "MAX_CONNECTIONS_PER_ROOM",
    "MAX_ROOMS",
    "MAX_NEW_ROOMS_PER_MINUTE",
    "HISTORY_LIMIT",
    "PING_INTERVAL",
    "MAX_QUEUED_BYTES",
    "MAX_QUEUED_QUESTIONS",
    "DAILY_TOKEN_BUDGET",
]
"""The environment variables to hand on to the container."""

ENGINE_PATIENCE = 8.0
"""Seconds that an engine has to answer at all."""

APP_PATIENCE = 90.0
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
        sys.exit("usage: python3 tools/deploy.py STAGE, such as demo_02")
    if not (ROOT / stage / "party").is_dir():
        sys.exit(
            f"{stage} has no server that anybody could share: there is "
            "nothing to deploy before make deploy-02."
        )
    try:
        deploy(stage, environment(stage))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from here.")


def deploy(stage: str, env: Environment) -> None:
    """Build and start a stage, and say where it is."""
    engine = find_engine(env)
    host = host_of(engine, env)
    if not is_address(host):
        # The app answers under no name but those that it was told.
        names = [env.get("ALLOWED_HOSTS", ""), host]
        env["ALLOWED_HOSTS"] = ",".join(filter(None, names))
    print(f"Building {stage} and starting it on {engine}", flush=True)
    if answer(["docker", "compose", "version"], env).works:
        start_with_compose(env)
    else:
        start_without_compose(env)
    netloc = f"[{host}]" if ":" in host else host
    url = env.get("PUBLIC_URL") or f"http://{netloc}:{env['PORT']}"
    print(f"{stage} runs at {url} (docker stop {NAME} stops it)")


def environment(stage: str) -> Environment:
    """The environment, what .env adds to it, and the stage."""
    filed = read_env(Path(os.environ.get("ENV_FILE") or ROOT / ".env"))
    env = {**filed, **{k: v for k, v in os.environ.items() if v}}
    env["STAGE"] = stage
    env.setdefault("PORT", "1999")
    if not re.fullmatch(r"[0-9]{1,5}", env["PORT"]):
        sys.exit(f"PORT={env['PORT']} is not a port.")
    return env


def read_env(file: Path) -> Environment:
    """The settings in a file with lines such as `NAME=value  # comment`."""
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
    """Where the Docker engine is; the end, if none answers there."""
    if not shutil.which("docker", path=env.get("PATH")):
        sys.exit(INSTALL)
    inspect = ["docker", "context", "inspect", "--format"]
    context = answer([*inspect, "{{.Endpoints.docker.Host}}"], env)
    where = context.text if context.works else "this machine"
    engine = env.get("DOCKER_HOST") or where
    version = ["docker", "version", "--format", "{{.Server.Version}}"]
    server = answer(version, env)
    if not server.works:
        sys.exit(f"No Docker engine answers: {server.text}\n{START}")
    return engine


def host_of(engine: str, env: Environment) -> str:
    """The host's name or address, as a browser would need it."""
    parts = urlsplit(engine)
    if parts.scheme not in ("ssh", "tcp", "http", "https"):
        return "127.0.0.1"
    host = parts.hostname or "127.0.0.1"
    if parts.scheme == "ssh" and shutil.which("ssh", path=env.get("PATH")):
        # It may be a name that only ~/.ssh/config knows.
        known = re.search(
            r"^hostname (\S+)$",
            answer(["ssh", "-G", "--", host], env).text,
            re.MULTILINE,
        )
        return known[1] if known else host
    return host


def is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def start_with_compose(env: Environment) -> None:
    """Build and start; compose waits until the app is healthy."""
    up = ["docker", "compose", "up", "--build", "--detach", "--wait"]
    if run(up, env) != 0:
        give_up(env)


def start_without_compose(env: Environment) -> None:
    """Do what compose.yaml says, with Docker's own commands."""
    image = [f"--tag={NAME}"]
    if "WITH_LOCAL_MODEL" in env:
        image += [f"--build-arg=WITH_LOCAL_MODEL={env['WITH_LOCAL_MODEL']}"]
    if run(["docker", "build", *image, "."], env) != 0:
        sys.exit("The image could not be built: see above.")
    answer(["docker", "stop", NAME], env, patience=30)
    answer(["docker", "rm", "--force", NAME], env)
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
        # By name alone: no key stands in a command line.
        *(f"--env={name}" for name in SETTINGS if name in env),
    ]
    if run(["docker", "run", "--detach", *container, NAME], env) != 0:
        sys.exit("The app could not be started: see above.")
    wait_until_healthy(env)


def wait_until_healthy(env: Environment) -> None:
    """Wait for the health check; the end, if it fails."""
    state = "{{.State.Status}} {{.State.Health.Status}}"
    deadline = time.monotonic() + APP_PATIENCE
    while time.monotonic() < deadline:
        found = answer(["docker", "inspect", "--format", state, NAME], env)
        if found.text == "running healthy":
            return
        if found.works and found.text != "running starting":
            break
        time.sleep(0.5)
    give_up(env)


def give_up(env: Environment) -> None:
    """Show what the app said, and do not let it try for ever."""
    log = answer(["docker", "logs", "--tail=20", NAME], env)
    answer(["docker", "stop", NAME], env, patience=30)
    said = f"\nIt said:\n{log.text}" if log.works and log.text else ""
    sys.exit(f"It does not run: see above.{said}")


class Answer:
    """How a command ended, and what it said."""

    def __init__(self, works: bool, text: str) -> None:
        self.works = works
        self.text = text


def answer(
    command: list[str], env: Environment, patience: float = ENGINE_PATIENCE
) -> Answer:
    """Ask Docker something; nothing can be typed in meanwhile."""
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"nothing came within {patience:g} seconds.")
    if done.returncode == 0:
        return Answer(True, (done.stdout + done.stderr).strip())
    # Of a failed ssh, what ssh itself said is enough.
    said = done.stderr.rpartition("stderr=")[2].strip().splitlines()
    return Answer(False, said[-1] if said else "it did not say why.")


def run(command: list[str], env: Environment) -> int:
    """Run a command in sight."""
    return subprocess.run(command, cwd=ROOT, env=env).returncode


if __name__ == "__main__":
    main()
