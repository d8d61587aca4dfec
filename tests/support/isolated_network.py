"""A network in which there is nothing but a container, and somebody to talk.

`deploy_image.py` runs this as root in a network namespace of its own; it
prints what it found, as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError

from websockets.exceptions import WebSocketException

from .server_process import Client, WebSocketClient

PATIENCE = 60.0
PAGES = ["/", "/lib/preact/dist/preact.mjs", "/lib/partysocket/dist/react.js"]
SAID = "Write a haiku about dolphins."

Container = subprocess.Popen[bytes]


def main() -> None:
    """Start the container, talk to it, stop it, and print what happened."""
    told = json.loads(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    found: dict[str, Any] = {
        "links": os.listdir("/proc/self/net/dev_snmp6"),
        "health before": health(told["health"]),
    }
    with tempfile.TemporaryFile() as log:
        container = subprocess.Popen(
            told["run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            server = wait_for_server(container)
            found |= look(server, told["health"])
            if told["reply"]:
                found["reply"] = chat()
            else:
                found["said before"] = visit()
            os.kill(server, signal.SIGTERM)
            found["exit"] = container.wait(PATIENCE)
        except (OSError, AssertionError, WebSocketException) as error:
            found["error"] = repr(error)
        except subprocess.TimeoutExpired:
            found["error"] = "it does not stop"
        finally:
            found["left"] = [arguments(pid) for pid in others()]
            for pid in others():
                os.kill(pid, signal.SIGKILL)
            log.seek(0)
            found["log"] = log.read().decode()
    print(json.dumps(found))


def look(server: int, check: list[str]) -> dict[str, Any]:
    """The pages and their contents."""
    status = Path(f"/proc/{server}/status").read_text("utf-8")
    values = dict(line.split(":\t", 1) for line in status.splitlines())
    pages = [client().get(path) for path in PAGES]
    return {
        "user": values["Uid"].split()[0],
        "parent": arguments(int(values["PPid"])),
        "health": health(check),
        "pages": [
            [page.status, page.headers["content-type"]] for page in pages
        ],
        "home": pages[0].text,
    }


def chat() -> dict[str, Any]:
    """Say something: what the AI answers, and in how many steps."""
    with client().join() as ada, client().join() as grace:
        ada.say(SAID)
        grace.hear(SAID)
        return hear_reply(grace)


def visit() -> list[str]:
    """Return the messages of the room; send one if there is none."""
    with client().join() as ada:
        messages = ada.wait_for("history")["messages"]
        if not messages:
            ada.wait_for("ack", id=ada.say(SAID)["id"])
        return [each["body"] for each in messages]


def hear_reply(guest: WebSocketClient) -> dict[str, Any]:
    start, steps = time.monotonic(), []
    while True:
        message = guest.next(PATIENCE).get("message", {})
        if message.get("role") == "assistant":
            steps.append(message["body"])
            if message.get("status") not in ("thinking", "streaming"):
                seconds = round(time.monotonic() - start, 1)
                return {"message": message, "steps": steps, "seconds": seconds}


def client() -> Client:
    """The way to the container."""
    client = Client()
    client.port = 1999
    return client


def wait_for_server(container: Container) -> int:
    """The server's process, once it answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert container.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it does not answer"
        try:
            assert client().get("/healthz").text == "ok\n"
        except URLError:
            time.sleep(0.1)
            continue
        (server,) = [
            pid
            for pid in others()
            if arguments(pid)[1:3] == ["-m", "shared.serve"]
        ]
        return server


def health(check: list[str]) -> int:
    """The exit status of the image's own health check."""
    done = subprocess.run(check, capture_output=True, timeout=PATIENCE)
    return done.returncode


def others() -> list[int]:
    """All processes in this network but this one."""
    own = os.readlink("/proc/self/ns/net")
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if os.readlink(folder / "ns/net") == own:
                    found.append(int(folder.name))
            except OSError:  # it has ended
                continue
    return found


def arguments(pid: int) -> list[str]:
    """The command that a process runs."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")[:-1]
    except OSError:
        return []


if __name__ == "__main__":
    main()
