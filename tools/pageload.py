"""How long pages and stages take: `python -m tools.pageload [ROUNDS]`.

For a room of the newest stage, with 20 messages in it: what a browser asks
for, and when somebody may write and sees what was said, on loopback and over
a link of 40 ms and 10 Mbit/s, the first time and again. For stage 3: when
`make demo-03` gives its first page, and what an idle server holds. Medians.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import BrowserContext

from tests.support.browser import open_chromium, something_runs
from tests.support.server_process import (
    ROOT,
    Client,
    ServerProcess,
    Stage,
    environment,
    start,
)
from tests.support.server_process import free_port as some_port

SLOW = {
    "offline": False,
    "latency": 40,
    "downloadThroughput": 10e6 / 8,
    "uploadThroughput": 10e6 / 8,
}
SAID = 20
USABLE = f"""
sessionStorage.setItem("party-chat-name", "Ada");
window.usable = new Promise((done) => {{
  new MutationObserver(() => {{
    const said = document.querySelectorAll("[role=log] article").length;
    const box = document.querySelector("#message:enabled");
    if (box && said >= {SAID}) done(performance.now());
  }}).observe(document, {{ subtree: true, childList: true, attributes: true }});
}});
"""


def main() -> None:
    """Measure, and print it."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    newest = max(ROOT.glob("demo_0*"))
    with start(Stage(5, newest)) as running:
        fill(running)
        print_pages(running, rounds)
    first_answer()  # after which Python has compiled it all
    starts = [first_answer() for _ in range(rounds)]
    print(f"make demo-03, to its first page: {median(starts):.2f} s")
    for ai, more in (("none", {}), ("openai", {"OPENAI_API_KEY": "none"})):
        with start(Stage(3, ROOT / "demo_03"), AI=ai, **more) as running:
            running.get("/chats/hello-world")
            print(f"idle, AI={ai}: {resident(running):.0f} MiB")


def fill(running: ServerProcess) -> None:
    """Say what a room's history is made of."""
    with running.join() as ada:
        for number in range(SAID):
            ada.say(f"This is message {number} of {SAID}.")
            ada.wait_for("ack")
            time.sleep(0.11)  # 10 a second, at most


def print_pages(running: ServerProcess, rounds: int) -> None:
    """The first visit and another one, in turn without and with the link."""
    found: dict[str, list[dict[str, float]]] = {}
    with open_chromium() as chromium, something_runs(chromium):
        for _ in range(rounds):
            for link, how in (("loopback", None), ("40 ms, 10 Mbit/s", SLOW)):
                context = chromium.new_context()
                context.add_init_script(USABLE)
                for visit in ("first", "again"):
                    told = visit_room(context, running, how)
                    found.setdefault(f"{link}, {visit}", []).append(told)
                context.close()
    for name, visits in found.items():
        one = {key: median(each[key] for each in visits) for key in visits[0]}
        print(
            f"{name:24} usable after {one['usable']:4.0f} ms; "
            f"{one['asked']:.0f} requests, {one['fetched']:.0f} to the server: "
            f"{one['whole'] / 1e3:.1f} KB, compressed {one['sent'] / 1e3:.1f}, "
            f"headers {one['headers'] / 1e3:.1f}"
        )


def visit_room(
    context: BrowserContext, server: Client, link: dict[str, Any] | None
) -> dict[str, float]:
    """Open the room in a new tab: what was loaded by when it was usable."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    if link:
        session.send("Network.emulateNetworkConditions", link)
    answers: dict[str, dict[str, Any]] = {}
    told = dict.fromkeys(("whole", "sent", "headers"), 0.0)

    def answered(event: Any) -> None:
        answers[event["requestId"]] = event["response"]

    def received(event: Any) -> None:
        told["whole"] += event["dataLength"]

    def finished(event: Any) -> None:
        answer = answers.get(event["requestId"], {})
        if not answer.get("fromDiskCache"):
            told["headers"] += answer.get("encodedDataLength", 0)
            told["sent"] += event["encodedDataLength"]

    session.on("Network.responseReceived", answered)
    session.on("Network.dataReceived", received)
    session.on("Network.loadingFinished", finished)
    page.goto(f"{server.url}/chats/hello-world")
    told["usable"] = page.evaluate("usable")
    page.wait_for_load_state("networkidle")
    told["asked"] = len(answers)
    cached = [each for each in answers.values() if each.get("fromDiskCache")]
    told["fetched"] = len(answers) - len(cached)
    told["sent"] -= told["headers"]
    page.close()
    return told


def first_answer() -> float:
    """Seconds that `make demo-03` takes until there is a page."""
    server = Client()
    server.port = some_port()
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["make", "demo-03", f"PORT={server.port}"],
        cwd=ROOT,
        env=environment(
            {"RELOAD": "1", "AI": "", "PYTHONDONTWRITEBYTECODE": ""}
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            with suppress(OSError):
                assert server.get("/").status == 200
                return time.perf_counter() - begun
            time.sleep(0.01)
        sys.exit("make demo-03 does not run.")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def resident(running: ServerProcess) -> float:
    """MiB of memory that a server's process holds."""
    status = Path(f"/proc/{running.process.pid}/status").read_text("utf-8")
    (line,) = [each for each in status.splitlines() if each[:5] == "VmRSS"]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
