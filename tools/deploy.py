"""Build a demo's image and start it, where Docker runs.

    python3 tools/deploy.py demo_03

That is this machine, or wherever DOCKER_HOST=ssh://user@host or
DOCKER_CONTEXT points. PUBLIC_URL is the app's name for everybody else, PORT
the port on the Docker host. WITH_LOCAL_MODEL=0 leaves the local model out.

It uses compose.yaml, or does the same where Docker has no compose. It needs
nothing but Python and a Docker client.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
NAME = "party-chat"
PATIENCE = 8.0
"""Seconds that a Docker engine has to answer at all."""
HEALTHY_WITHIN = 90.0
"""Seconds that the app has to start."""

INSTALL = (
    "There is no Docker here. Install it and give the same command again; "
    "the client is enough with DOCKER_HOST=ssh://user@host, where it runs."
)
START = (
    "Start Docker there, or set DOCKER_HOST=ssh://user@host to a machine "
    "where it runs (ssh must get in without asking for a password)."
)


def main() -> None:
    stage = sys.argv[1] if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"demo_\d+", stage) or not (ROOT / stage).is_dir():
        sys.exit("usage: python3 tools/deploy.py STAGE, such as demo_02")
    if not (ROOT / stage / "party").is_dir():
        sys.exit(
            f"{stage} shares nothing yet, so there is nothing to deploy: "
            "the first one that has a server is make deploy-02."
        )
    try:
        deploy(stage, settings(stage))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command goes on from here.")


def settings(stage: str) -> dict[str, str]:
    """The environment, with what .env adds and what this stage needs."""
    env = {**read_env(ROOT / ".env"), **os.environ}
    env["STAGE"] = stage
    env["PORT"] = env.get("PORT") or "1999"
    if not re.fullmatch(r"\d{1,5}", env["PORT"]):
        sys.exit(f"PORT={env['PORT']} is not a port.")
    return env


def read_env(file: Path) -> dict[str, str]:
    """The settings in a file of lines such as `NAME=value`."""
    line = re.compile(
        r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*"
        r"(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\n]*?))[ \t]*(?:[ \t]#[^\n]*)?$",
        re.MULTILINE,
    )
    with contextlib.suppress(FileNotFoundError):
        found = line.findall(file.read_text(encoding="utf-8"))
        return {name: "".join(values) for name, *values in found}
    return {}


def deploy(stage: str, env: dict[str, str]) -> None:
    """Build and start a stage, and say where it is."""
    engine = find_engine(env)
    host = host_of(engine)
    if is_name(host):
        # The app answers under no name but those that it is told.
        names = [env.get("ALLOWED_HOSTS", ""), host]
        env["ALLOWED_HOSTS"] = ",".join(filter(None, names))
    print(f"Building and starting {stage} on {engine}", flush=True)
    if answers(["docker", "compose", "version"], env)[0]:
        up = ["docker", "compose", "up", "--build", "--detach", "--wait"]
        run(up, env)
    else:
        start_without_compose(env)
        wait_until_healthy(env)
    print(f"{stage} runs at {address(host, env)}")
    print(f"Its log: docker logs {NAME if not composed(env) else '…'}")


def find_engine(env: dict[str, str]) -> str:
    """Where the Docker engine is; ends the program if none answers."""
    if not shutil.which("docker", path=env.get("PATH")):
        sys.exit(INSTALL)
    context = ["docker", "context", "inspect", "--format"]
    fine, where = answers([*context, "{{.Endpoints.docker.Host}}"], env)
    engine = env.get("DOCKER_HOST") or (where if fine else "this machine")
    fine, said = answers(
        ["docker", "version", "--format", "{{.Server.Version}}"], env
    )
    if not fine:
        sys.exit(f"No Docker engine answers on {engine}: {said}\n{START}")
    return engine
