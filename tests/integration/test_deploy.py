"""The image, and `make deploy-NN`, with and without Docker."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tools import deploy

from ..conftest import STAGES
from ..support.deploy_image import Image, built
from ..support.isolated_network import SAID
from ..support.server_process import ROOT

NEWEST = STAGES[-1].folder.name
SECRET = "sk-secret-0123456789"

DOCKER = """#!{python}
import json, os, sys
given = sys.argv[1:]
with open({log!r}, "a", encoding="utf-8") as log:
    kept = {{k: v for k, v in os.environ.items() if k not in ("PATH", "LOG")}}
    log.write(json.dumps([given, kept]) + "\\n")
for start, (status, text) in json.loads({answers!r}).items():
    if " ".join(given).startswith(start):
        print(text, file=sys.stderr if status else sys.stdout)
        sys.exit(status)
"""

Test = Callable[..., None]
Answers = dict[str, tuple[int, str]]
WORKS: Answers = {
    "context inspect": (0, "unix:///var/run/docker.sock"),
    "version": (0, "28.2.2"),
    "inspect": (0, "running healthy"),
}
NO_COMPOSE: Answers = {
    **WORKS,
    "compose": (1, "docker: unknown command: docker compose"),
}


class Machine:
    """A machine with a stand-in for Docker's client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"

    def install(self, answers: Answers, name: str = "docker") -> None:
        """Put a program there that answers by how its arguments begin."""
        program = self.folder / name
        program.write_text(
            DOCKER.format(
                python=sys.executable,
                log=str(self.log),
                answers=json.dumps(answers),
            ),
            "utf-8",
        )
        program.chmod(0o755)

    def deploy(
        self, stage: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command, as make does."""
        return subprocess.run(
            [sys.executable, "-m", "tools.deploy", stage],
            cwd=ROOT,
            env={
                "PATH": str(self.folder),
                "ENV_FILE": os.devnull,
                **settings,
            },
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )

    def asked(self, *start: str) -> list[tuple[list[str], dict[str, str]]]:
        """The commands that began so, each with its environment."""
        lines = map(json.loads, self.log.read_text("utf-8").splitlines())
        return [
            (given, env)
            for given, env in lines
            if given[: len(start)] == list(start)
        ]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# Without Docker


def test_deploy_explains_a_missing_docker_client(machine: Machine) -> None:
    done = machine.deploy("demo_02")
    assert (done.returncode, done.stdout) == (1, "")
    problem, advice = done.stderr.splitlines()
    assert problem.startswith("There is no Docker here")
    assert "DOCKER_HOST=ssh://user@host" in advice


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("warning\n", "Cannot connect to the Docker daemon. Is it running?"),
        (
            "error during connect: command [ssh] has exited: stderr=",
            "ssh: connect to host there port 22: Connection refused",
        ),
    ],
    ids=["daemon", "ssh"],
)
def test_deploy_explains_a_missing_engine(
    machine: Machine, before: str, why: str
) -> None:
    machine.install({**WORKS, "version": (1, before + why)})
    done = machine.deploy("demo_02")
    assert (done.returncode, done.stdout) == (1, "")
    problem, advice = done.stderr.splitlines()
    assert problem == f"No Docker engine answers: {why}"
    assert advice.startswith("Start Docker")


def test_deploy_does_not_wait_for_an_engine_that_hangs() -> None:
    start = time.monotonic()
    found = deploy.query(["sleep", "60"], dict(os.environ), timeout=0.2)
    assert not found.works
    assert found.text == "nothing came within 0.2 seconds."
    assert time.monotonic() - start < 5


def test_deploy_refuses_the_first_stage_with_a_reason(machine: Machine) -> None:
    done = machine.deploy("demo_01")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "make deploy-02" in done.stderr


@pytest.mark.parametrize("name", ["demo_99", "..", "shared", "demo_02/party"])
def test_deploy_refuses_an_unknown_stage(machine: Machine, name: str) -> None:
    done = machine.deploy(name)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: ")


def test_deploy_has_make_targets_from_the_second_stage_on() -> None:
    done = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    found = re.findall(r"^  make deploy-(\d\d) ", done.stdout, re.MULTILINE)
    assert found == [f"{stage.level:02}" for stage in STAGES[1:]]


# With it


def test_deploy_starts_with_compose_and_prints_the_address(
    machine: Machine,
) -> None:
    machine.install(WORKS)
    done = machine.deploy("demo_02", PORT="2000", OPENAI_API_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("demo_02 runs at http://127.0.0.1:2000 ")
    ((given, env),) = machine.asked("compose", "up")
    assert given[2:] == ["--build", "--detach", "--wait"]
    assert (env["STAGE"], env["PORT"]) == ("demo_02", "2000")
    assert env["OPENAI_API_KEY"] == SECRET


@pytest.mark.parametrize(
    ("engine", "address", "allowed"),
    [
        ("ssh://me@box:2222", "box.example.org", "box.example.org"),
        ("tcp://[2001:db8::7]:2376", "[2001:db8::7]", None),
    ],
    ids=["name", "address"],
)
@pytest.mark.parametrize("variable", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_deploy_prints_and_allows_the_name_of_its_host(
    machine: Machine,
    engine: str,
    address: str,
    allowed: str | None,
    variable: str,
) -> None:
    machine.install({**WORKS, "context inspect": (0, engine)})
    machine.install({"-G": (0, "user me\nhostname box.example.org")}, "ssh")
    done = machine.deploy("demo_02", **{variable: engine})
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"demo_02 runs at http://{address}:1999 ")
    ((_, env),) = machine.asked("compose", "up")
    assert env.get("ALLOWED_HOSTS") == allowed


def test_deploy_prints_the_public_url_and_former_names(
    machine: Machine, tmp_path: Path
) -> None:
    machine.install(WORKS)
    dotenv = tmp_path / "settings"
    dotenv.write_text("PUBLIC_URL=https://party.example.org\nFAST=0\n", "utf-8")
    done = machine.deploy("demo_02", ENV_FILE=str(dotenv), PING="9")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("demo_02 runs at https://party.example.org ")
    ((_, env),) = machine.asked("compose", "up")
    assert env["PUBLIC_URL"] == "https://party.example.org"
    assert done.stderr.splitlines() == [
        "FAST, in settings, has no effect: "
        "the setting is called FAST_TRANSPORT now",
        "PING, in the environment, has no effect: "
        "the setting is called PING_INTERVAL now",
    ]


def test_deploy_reads_settings_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(
        "# a comment\n#AI=none\n\nPORT=2000\nexport AI = local  # the small\n"
        "OPENAI_API_KEY='a#b'\nOPENAI_MODEL=\"gpt #4\"\nOLLAMA_HOST=\n"
        "PUBLIC_URL=https://x.example/#y\nno value\n",
        "utf-8",
    )
    assert deploy.read_env(file) == {
        "PORT": "2000",
        "AI": "local",
        "OPENAI_API_KEY": "a#b",
        "OPENAI_MODEL": "gpt #4",
        "PUBLIC_URL": "https://x.example/#y",
    }
    assert deploy.read_env(tmp_path / "missing") == {}


@pytest.mark.parametrize("state", ["restarting", "exited", "running unhealthy"])
def test_deploy_stops_an_app_that_does_not_start(
    machine: Machine, state: str
) -> None:
    said = "These settings do not work:\n  PUBLIC_URL=party"
    answers = {**NO_COMPOSE, "inspect": (0, state), "logs": (0, said)}
    machine.install(answers)
    done = machine.deploy("demo_02")
    assert done.returncode == 1
    assert said in done.stderr
    assert "runs at" not in done.stdout
    assert len(machine.asked("stop")) == 2  # the one before, and this one


def test_deploy_prints_the_error_of_compose(machine: Machine) -> None:
    machine.install(
        {
            **WORKS,
            "compose up": (1, "container party-chat is unhealthy"),
            "logs": (0, "Something broke."),
        }
    )
    done = machine.deploy("demo_02")
    assert done.returncode == 1
    assert "Something broke." in done.stderr
    assert "runs at" not in done.stdout


def test_deploy_keeps_the_running_app_if_the_build_fails(
    machine: Machine,
) -> None:
    machine.install({**NO_COMPOSE, "build": (1, "no space left on device")})
    done = machine.deploy("demo_02")
    assert done.returncode == 1
    assert "no space left on device" in done.stderr
    assert not machine.asked("stop")


# Settings in the container


def test_deploy_passes_each_setting_to_the_container() -> None:
    names = {name.upper() for name in Settings.model_fields}
    # The image's own, and what makes no sense in one.
    own = {"HOST", "PORT", "LAN", "RELOAD", "GRACEFUL_TIMEOUT", "AI_RECORD"}
    own.add("REPOSITORY_URL")  # of the closing page of `make present`
    assert (names - own) | {"STAGE"} == set(deploy.container_settings())


COMPOSE_OPTIONS = {
    "container_name: party-chat": "--name=party-chat",
    "- ${PORT:-1999}:1999": "--publish=1999:1999",
    "- data:/data": "--volume=party-chat_data:/data",
    "- host.docker.internal:host-gateway": (
        "--add-host=host.docker.internal:host-gateway"
    ),
    "restart: unless-stopped": "--restart=unless-stopped",
    "stop_grace_period: 15s": "--stop-timeout=15",
    "read_only: true": "--read-only",
    "cap_drop: [ALL]": "--cap-drop=ALL",
    'security_opt: ["no-new-privileges:true"]': (
        "--security-opt=no-new-privileges:true"
    ),
}


def test_deploy_starts_without_compose_alike(machine: Machine) -> None:
    machine.install(NO_COMPOSE)
    done = machine.deploy(NEWEST, OPENAI_API_KEY=SECRET, WITH_LOCAL_MODEL="0")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{NEWEST} runs at http://127.0.0.1:1999 ")
    ((given, _),) = machine.asked("build")
    assert "--build-arg=WITH_LOCAL_MODEL=0" in given
    ((given, env),) = machine.asked("run")
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    assert compose.endswith("\nvolumes:\n  data:\n")
    for line, option in COMPOSE_OPTIONS.items():
        assert f"    {line}\n" in compose
        assert option in given
    assert {"--env=STAGE", "--env=OPENAI_API_KEY"} < set(given)
    assert "--env=AI" not in given
    assert (env["STAGE"], env["OPENAI_API_KEY"]) == (NEWEST, SECRET)
    assert not any(SECRET in " ".join(asked) for asked, _ in machine.asked())


# The image itself, built and run without Docker

PLANTED = [
    ".env",
    ".git/config",
    ".venv/bin/python3",
    "demo_02/.env.local",
    "docs/notes.md",
    "key.pem",
    "node_modules/preact/package.json",
    "shared/__pycache__/app.cpython-313.pyc",
]
TOOLS = "gcc cc g++ make git npm node curl wget uv"


def soak(test: Test) -> Test:
    """A test of the image, which may have to be built first."""
    marked: Test = pytest.mark.soak(pytest.mark.timeout(900)(test))
    return marked


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built(dict.fromkeys(PLANTED, SECRET)) as image:
        yield image


@soak
def test_image_contains_the_app_only(
    image: Image,
) -> None:
    in_app = image.run("ls", "-A", "/app").split()
    stages = [stage.folder.name for stage in STAGES]
    assert in_app == [*stages, "node_modules", "shared"]
    assert not image.run("sh", "-c", f"command -v {TOOLS} || true")
    assert "pip" not in image.run("ls", "/venv/bin")
    assert image.run("ls", "/app/shared/__pycache__")
    for stage in stages:  # the page of What's new shows it
        assert image.run("head", "-n", "1", f"/app/{stage}/README.md")
    caches = "find / -xdev ( -name .npm -o -path */.cache/* -o -name *.whl )"
    found = image.run_as_root(*caches.split()).splitlines()
    # Python's own pip, in Debian as in the official image, may carry wheels.
    assert not [path for path in found if "python-wheels" not in path]
    assert image.run("test", "-s", "/etc/ssl/certs/ca-certificates.crt") == ""
    whole, ours = image.size()
    print(f"The image takes {whole:.0f} MB, {ours:.0f} of them ours.")
    assert ours < 350


@soak
def test_image_contains_no_secret(image: Image) -> None:
    grep = f"grep -rl {SECRET} /app /venv /root /home /tmp /etc || true"
    assert not image.run_as_root("sh", "-c", grep)
    assert SECRET not in json.dumps(image.config())


@soak
def test_image_runs_as_a_user_who_can_write_only_its_data(
    image: Image,
) -> None:
    assert image.run("id", "-u") == "10001"
    find = "find / -xdev -writable -not -type l 2>/dev/null || true"
    assert image.run("sh", "-c", find) == "/data"
    serve = "STORE=sqlite:party.db python3 -m shared.serve demo_02 2>&1"
    said = image.run("sh", "-c", f"{serve} || true")
    assert said.endswith("/app cannot be written")


@soak
def test_image_answers_from_the_local_model_without_a_network(
    image: Image,
) -> None:
    found = image.alone(reply=True, STAGE=NEWEST)
    assert "error" not in found, found
    assert found["links"] == ["lo"]
    assert (found["health before"], found["health"]) == (1, 0)
    assert found["user"] == "10001"
    assert not found["parent"][0].endswith("sh")
    statuses, types = zip(*found["pages"], strict=True)
    assert set(statuses) == {200}
    page, *modules = (type.partition(";")[0] for type in types)
    assert (page, set(modules)) == ("text/html", {"text/javascript"})
    assert NEWEST in found["home"]
    reply = found["reply"]
    print(
        f"It answered within {reply['seconds']} s: {reply['message']['body']}"
    )
    assert "status" not in reply["message"]
    assert len(set(reply["steps"])) > 3
    assert f"{NEWEST} runs at http://127.0.0.1:1999" in found["log"]
    assert "Traceback" not in found["log"]
    assert (found["exit"], found["left"]) == (0, [])


@soak
def test_image_runs_another_stage_with_the_same_messages(image: Image) -> None:
    store, said = "sqlite:/data/party.db", []
    for given, stage in {"demo_02": "demo_02", "": NEWEST}.items():
        found = image.alone(reply=False, STAGE=given, STORE=store)
        assert "error" not in found, found
        assert f"{stage} runs at" in found["log"]
        assert found["said before"] == said
        assert (found["exit"], found["left"]) == (0, [])
        said = [SAID]
