"""Takes the pictures of the pages.

`python -m tools.screenshots` makes docs/stage-3.png for the README: a
conversation that really takes place, with the model in here unless `AI` says
otherwise. `--all FOLDER` makes one of every page of the newest stage, on a
laptop and on a phone, light and dark, to look at.
"""

import os
import re
from argparse import ArgumentParser
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, expect

from tests.browser import NO_SERVER, People, Person, open_chromium, people
from tests.running import ROOT, Running, Stage, start

PICTURE = ROOT / "docs" / "stage-3.png"
MOST_BYTES = 400_000

SIZES = {"laptop": (1280, 800), "phone": (390, 844)}
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]

MODEL = re.compile("AI|AI_TIMEOUT|OPENAI_.*|OLLAMA_.*")
"""The settings that say which model answers."""

PATIENCE = 60_000
"""Milliseconds that it has for a reply."""

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbe"


def main() -> None:
    """Make the README's picture, or all pictures."""
    parser = ArgumentParser(description="Take pictures of the pages.")
    parser.add_argument(
        "--all",
        metavar="FOLDER",
        type=Path,
        help="every page, instead of the picture for the README",
    )
    folder: Path | None = parser.parse_args().all
    with open_chromium() as chromium:
        if folder is None:
            take_one(chromium)
        else:
            take_all(chromium, folder)


def take_one(chromium: Browser) -> None:
    """Make the README's picture."""
    with run(ROOT / "demo_03") as running, people(chromium) as person:
        _, grace = talk(running, person, device_scale_factor=2)
        save(grace, PICTURE)
    size = PICTURE.stat().st_size
    assert size <= MOST_BYTES, f"{PICTURE} has {size:,} bytes"


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


def run(folder: Path) -> AbstractContextManager[Running]:
    """Run a stage with the model that the environment names."""
    model = {k: v for k, v in os.environ.items() if MODEL.fullmatch(k)}
    stage = Stage(int(folder.name.removeprefix("demo_")), folder)
    return start(stage, **{"AI": "local", **model})


def talk(
    running: Running, person: People, **options: Any
) -> tuple[Person, Person]:
    """Two people and an AI talk; it is answering when this returns."""
    width, height = SIZES["laptop"]
    options["viewport"] = {"width": width, "height": height}
    ada = person(running, "Ada", **options)
    grace = person(running, "Grace", **options)
    for each in (ada, grace):
        each.is_told("Connected")
    ada.say("write a haiku about dolphins")
    wait_for_reply(grace)
    grace.say("now about space")
    replies = grace.page.locator("article.ai:not(.thinking)")
    expect(replies).to_have_count(2, timeout=PATIENCE)
    written = re.compile(r"\w.{25}", re.S)
    expect(replies.last.locator(".body")).to_have_text(
        written, timeout=PATIENCE
    )
    return ada, grace


def wait_for_reply(person: Person) -> None:
    """Wait until the newest message is one that the AI has finished."""
    finished = re.compile("ai(?!.*(thinking|streaming|failed))")
    newest: Locator = person.messages.last
    expect(newest).to_have_class(finished, timeout=PATIENCE)


def save_all(person: Person, folder: Path, name: str) -> None:
    """Save a page on a laptop and on a phone, light and dark."""
    for device, (width, height) in SIZES.items():
        person.page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            person.page.emulate_media(color_scheme=scheme)
            save(person, folder / f"{name}-{device}-{scheme}.png")


def save(person: Person, path: Path) -> None:
    """Save what somebody sees, with no button under the mouse."""
    person.page.mouse.move(0, 0)
    person.page.screenshot(path=path, animations="disabled")
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
