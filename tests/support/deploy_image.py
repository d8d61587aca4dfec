"""The image, built and run without Docker: by Debian's buildah, as root.

The image that it is based on is made here, too, by debootstrap, and kept in
the user's cache. What this machine needs to reach its package indexes is
there while the image is built, and not in the image.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from .server_process import ROOT, skip_or_fail

NEEDED = ["buildah", "debootstrap", "unshare", "ip"]
PACKAGES = [*NEEDED[:2], "debian-archive-keyring", "util-linux", "iproute2"]

SUITE = "trixie"
"""The Debian whose Python is the one that the Dockerfile asks for."""

INCLUDED = ["ca-certificates", "python3", "python3-pip", "python3-venv"]
"""Packages that the official image has, too."""

OURS = [".git", ".venv", "node_modules", ".*_cache", "__pycache__"]
"""Files of this machine that the image must not have."""

MAKE_BASE = """
debootstrap --variant=minbase --include="$2" "$3" "$1" &&
rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* &&
tar -C "$1" --one-file-system -cf "$4" . && rm -rf --one-file-system "$1"
"""

LASTING = '"$@"; status=$?; sleep 0.2; exit $status'
"""Runs a command: buildah may lose what is said by one that ends at once."""

BUILD_PATIENCE = 400
RUN_PATIENCE = 120


class Image:
    """An image of all that is in a folder, in a storage of its own."""

    def __init__(self, work: Path, root: list[str]) -> None:
        self.work = work
        self.root = root
        self.container = ""

    def command(self, *arguments: str) -> list[str]:
        """A command of buildah's."""
        return [
            *self.root,
            "env",
            f"TMPDIR={self.work}",
            "buildah",
            f"--root={self.work}/storage",
            f"--runroot={self.work}/run",
            "--storage-driver=vfs",
            *arguments,
        ]

    def buildah(self, *arguments: str, patience: int = RUN_PATIENCE) -> str:
        """Return buildah's output; the test fails if buildah does."""
        return call(self.command(*arguments), patience)

    def build(self, context: Path) -> None:
        """Build the image, and make a container of it."""
        (base,) = re.findall(
            "^ARG BASE=(.+)$",
            (ROOT / "Dockerfile").read_text("utf-8"),
            re.MULTILINE,
        )
        base_tar = make_base(self.work, self.root)
        made = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", made, str(base_tar), "/")
        python = ["--isolation=chroot", made, "--", "python3", "--version"]
        version = self.buildah("run", *python).split()[1]
        assert base.startswith(f"python:{version.rpartition('.')[0]}-")
        self.buildah("commit", "--quiet", "--rm", made, f"localhost/{base}")
        self.buildah(
            "bud",
            "--quiet",
            "--isolation=chroot",
            "--format=docker",
            "--layers=false",
            "--pull-never",
            f"--volume={self.home()}:/root",
            "--tag=localhost/party-chat",
            str(context),
            patience=BUILD_PATIENCE,
        )
        self.container = self.buildah("from", "--pull-never", "party-chat")

    def home(self) -> Path:
        """A home for root while it builds, with this machine's settings."""
        home = self.work / "home"
        (home / ".config/pip").mkdir(parents=True)
        pip, npm = ["[global]", "timeout = 60"], ["fetch-timeout=60000"]
        certificates = os.environ.get("PIP_CERT", "")
        if Path(certificates).is_file():
            shutil.copy(certificates, home / "certificates.crt")
            pip += ["cert = ~/certificates.crt"]
            npm += ["cafile=~/certificates.crt"]
        if index := os.environ.get("PIP_INDEX_URL"):
            pip += [f"index-url = {index}"]
        if registry := os.environ.get("NPM_CONFIG_REGISTRY"):
            npm += [f"registry={registry}"]
        (home / ".config/pip/pip.conf").write_text(
            "\n".join(pip) + "\n", "utf-8"
        )
        (home / ".npmrc").write_text("\n".join(npm) + "\n", "utf-8")
        return home

    def config(self) -> dict[str, Any]:
        """How it is to be run."""
        found = self.buildah("inspect", "--type=image", "party-chat")
        config: dict[str, Any] = json.loads(found)["Docker"]["config"]
        return config

    def size(self) -> tuple[float, float]:
        """Megabytes of all its files, and of what the Dockerfile adds."""
        folder = self.buildah("mount", self.container)
        folders = [folder, f"{folder}/app", f"{folder}/venv"]
        sums = call([*self.root, "du", "-sBk", "--count-links", *folders])
        sizes = [
            int(n) / 1000 for n in re.findall(r"^(\d+)K", sums, re.MULTILINE)
        ]
        return sizes[0], sum(sizes[1:])

    def in_container(self, *command: str, **settings: str) -> list[str]:
        """Return the command that runs another one in the read-only container.

        Of the folders that are writable for everybody, it gets empty ones
        that are not.
        """
        empty = self.work / "empty"
        empty.mkdir(exist_ok=True)
        folders = ["/tmp", "/var/tmp", "/run/lock"]
        return self.command(
            "run",
            "--isolation=chroot",
            *(f"--volume={empty}:{folder}:ro" for folder in folders),
            *(f"--env={name}={value}" for name, value in settings.items()),
            self.container,
            "--",
            *command,
        )

    def run(self, *command: str) -> str:
        """Return a command's output in the container."""
        return call(self.in_container("sh", "-c", LASTING, "sh", *command))

    def run_as_root(self, *command: str) -> str:
        """The same, for what only root may read."""
        options = ["--isolation=chroot", "--user=0:0", self.container]
        return self.buildah("run", *options, "--", *command)

    def alone(self, reply: bool, **settings: str) -> dict[str, Any]:
        """Run it in a network of its own: what `isolated_network.py` finds."""
        config = self.config()
        check = config["Healthcheck"]["Test"][1:]
        told = {
            "run": self.in_container(*config["Cmd"], **settings),
            "health": self.in_container(*check, **settings),
            "reply": reply,
        }
        # No bytecode: another user's would be in the way later.
        python = [
            sys.executable,
            "-B",
            "-m",
            "tests.support.isolated_network",
            json.dumps(told),
        ]
        alone = call([*self.root, "unshare", "--net", *python], cwd=ROOT)
        found: dict[str, Any] = json.loads(alone)
        return found


def call(
    command: list[str], patience: int = RUN_PATIENCE, cwd: Path | None = None
) -> str:
    """Return a command's output; the test fails if the command does."""
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=patience,
    )
    if done.returncode != 0:
        end = (done.stdout + done.stderr)[-4000:]
        pytest.fail(
            f"{' '.join(command)}\nended with {done.returncode}:\n{end}"
        )
    return done.stdout.strip()


@contextmanager
def built(planted: dict[str, str]) -> Iterator[Image]:
    """The image of this repository's files, and others beside them."""
    root = root_rights()
    work = Path(tempfile.mkdtemp(prefix="party-chat-", dir="/var/tmp"))
    image = Image(work, root)
    try:
        context = work / "context"
        shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(*OURS))
        for name, text in planted.items():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_text(text, "utf-8")
        image.build(context)
        yield image
    finally:
        remove = [*root, "rm", "-rf", "--one-file-system", str(work)]
        subprocess.run(image.command("rm", "--all"), capture_output=True)
        subprocess.run(remove, check=True)


def root_rights() -> list[str]:
    """Return a prefix to run commands as root; in CI, install buildah."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    ci = bool(os.environ.get("CI"))
    if root and not (ci and shutil.which("sudo")):
        skip_or_fail("Building the image here takes root.")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in NEEDED if not shutil.which(name, path=path)]
    if missing and ci and shutil.which("apt-get"):
        apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        install = [*apt, "install", "-y", "--no-install-recommends", *PACKAGES]
        call([*apt, "update"])
        call(install, 300)
    elif missing:
        skip_or_fail(f"These are missing: {', '.join(missing)} (apt install).")
    return root


def make_base(work: Path, root: list[str]) -> Path:
    """The files of an official slim image of Python, or nearly, in a tar."""
    recipe = sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "party-chat" / f"{SUITE}-{recipe}.tar"
    if not kept.exists():
        # Its mounts are gone when it ends, however it ends.
        unshare = [*root, "unshare", "--mount", "sh", "-c", MAKE_BASE, "sh"]
        tar = work / "base.tar"
        included = ",".join(INCLUDED)
        call([*unshare, f"{work}/base", included, SUITE, str(tar)], 300)
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.glob("*.tar"):
            old.unlink(missing_ok=True)
        os.replace(shutil.copy(tar, kept.with_suffix(f".{os.getpid()}")), kept)
    return kept
