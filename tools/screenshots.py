"""Take the pictures of the pages.

`python -m tools.screenshots` makes those of the README, of conversations with
the local model unless `AI` names another one. `--all FOLDER` makes one of every
page of the newest stage, on a laptop and on a phone, light and dark.
"""

import os
import re
from argparse import ArgumentParser
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, expect

from tests.support.browser import (
    NO_SERVER,
    People,
    Person,
    open_chromium,
    people,
)
from tests.support.server_process import ROOT, ServerProcess, Stage, start

DOCS = ROOT / "docs"
MAX_BYTES = 400_000

SIZES = {"laptop": (1280, 800), "phone": (390, 844)}
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]

LAPTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}

MODEL = re.compile("AI|AI_TIMEOUT|OPENAI_.*|OLLAMA_.*")
"""The settings that say which model answers."""

REPLY_TIMEOUT = 60_000
"""Milliseconds that the model has for a reply."""

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbe"


def main() -> None:
    """Make the README's pictures, or all."""
    parser = ArgumentParser(description="Take pictures of the pages.")
    parser.add_argument(
        "--all",
        metavar="FOLDER",
        type=Path,
        help="every page, instead of the pictures for the README",
    )
    folder: Path | None = parser.parse_args().all
    with open_chromium() as chromium:
        if folder is None:
            take_talk(chromium)
            take_usage_and_cursors(chromium)
        else:
            take_all(chromium, folder)


def take_talk(chromium: Browser) -> None:
    """Two people and an AI."""
    with run(ROOT / "demo_03") as running, people(chromium) as person:
        _, grace = talk(running, person, device_scale_factor=2)
        grace.page.mouse.move(0, 0)
        save(grace, DOCS / "stage-3.png")


def take_usage_and_cursors(chromium: Browser) -> None:
    """The tally after a talk, and three people's cursors."""
    with run(ROOT / "demo_05") as running, people(chromium) as person:
        ada, grace = talk(running, person, locale="en-GB")
        linus = person(running, "Linus", locale="fi-FI", **LAPTOP)
        linus.is_told("Connected")
        wait_for_reply(grace)
        for each, x, y in ((ada, 640, 560), (linus, 1010, 290)):
            each.page.mouse.move(x - 20, y)
            each.page.mouse.move(x, y)
        expect(grace.page.locator(".cursor")).to_have_count(2)
        save(grace, DOCS / "cursors.png")
        linus.page.emulate_media(reduced_motion="reduce")  # no counting
        linus.go("/usage")
        expect(linus.page.locator(".number")).not_to_have_text("0")
        linus.page.mouse.move(0, 0)
        save(linus, DOCS / "usage.png")


def take_all(chromium: Browser, folder: Path) -> None:
    """Make a picture of every page of the newest stage."""
    newest = sorted(ROOT.glob("demo_0*"))[-1]
    with run(newest) as running, people(chromium) as person:
        ada, grace = talk(running, person)
        for page in ["", "chats", "usage", "chats/room-4", "nowhere"]:
            ada.go(f"/{page}", status=404 if page == "nowhere" else 200)
            expect(ada.button("Log out")).to_be_visible()
            save_all(ada, folder, page.replace("/", "-") or "home")
        wait_for_reply(grace)
        ada.enter()
        ada.say("Not quite a haiku, but I like it! 🎈")
        wait_for_reply(grace)
        save_all(grace, folder, "talk")
        grace.say(f"A long word: {LONG_WORD * 2}")
        wait_for_reply(grace)
        save_all(grace, folder, "talk-more")
        ada.button("Log out").click()
        save_all(ada, folder, "signed-out")
        ada.button("Sign in").click()
        save_all(ada, folder, "sign-in")
        for each in (ada, grace):
            each.expect_error(NO_SERVER)
        running.kill()
        grace.is_told("Reconnecting…")
        grace.say("Is anybody there?")
        save_all(grace, folder, "reconnecting")


def run(folder: Path) -> AbstractContextManager[ServerProcess]:
    """Run a stage with the model that the environment names."""
    model = {k: v for k, v in os.environ.items() if MODEL.fullmatch(k)}
    stage = Stage(int(folder.name.removeprefix("demo_")), folder)
    return start(stage, **{"AI": "local", **model})


def talk(
    running: ServerProcess, person: People, **options: Any
) -> tuple[Person, Person]:
    """Two people and an AI talk; it is answering when this returns."""
    ada = person(running, "Ada", **LAPTOP, **options)
    grace = person(running, "Grace", **LAPTOP, **options)
    for each in (ada, grace):
        each.is_told("Connected")
    ada.say("write a haiku about dolphins")
    wait_for_reply(grace)
    grace.say("now about space")
    replies = grace.page.locator("article.ai:not(.thinking)")
    expect(replies).to_have_count(2, timeout=REPLY_TIMEOUT)
    written = re.compile(r"\w.{25}", re.S)
    expect(replies.last.locator(".body")).to_have_text(
        written, timeout=REPLY_TIMEOUT
    )
    return ada, grace


def wait_for_reply(person: Person) -> None:
    """Wait until the newest message is one that the AI has finished."""
    finished = re.compile("ai(?!.*(thinking|streaming|failed))")
    newest: Locator = person.messages.last
    expect(newest).to_have_class(finished, timeout=REPLY_TIMEOUT)


def save_all(person: Person, folder: Path, name: str) -> None:
    """Save a page on a laptop and on a phone, light and dark."""
    for device, (width, height) in SIZES.items():
        person.page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            person.page.emulate_media(color_scheme=scheme)
            person.page.mouse.move(0, 0)
            save(person, folder / f"{name}-{device}-{scheme}.png")


def save(person: Person, path: Path) -> None:
    """Save a screenshot of a person's page."""
    person.page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes")
    assert size <= MAX_BYTES, f"{path} is too large for a README"


if __name__ == "__main__":
    main()
