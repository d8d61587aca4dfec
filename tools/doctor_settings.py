"""Check the settings, and name the place of a wrong one."""

import logging
import os
import re
import shlex
from pathlib import Path

from pydantic import ValidationError

from shared.app import CheckedSettings
from shared.settings import Settings, settings

from .finding import DEMO, Finding, note, ok, wrong

FILE = Path(str(Settings.model_config["env_file"]))
WITHOUT_PROVIDER = f"{DEMO} AI=local"
"""The command that needs no AI but the local one."""


def read_settings() -> list[Finding]:
    """Read the settings as the app does: what is wrong with them."""
    logged = LogCollector("dotenv")
    try:
        CheckedSettings()
    except ValidationError as error:
        return [
            wrong_setting(str(each["loc"][0]).upper(), each["msg"])
            for each in error.errors()
        ]
    except (OSError, UnicodeDecodeError) as error:
        file = shlex.quote(os.path.relpath(FILE))
        text = f"settings: {file} cannot be read: {error}"
        return [wrong(text, f"mv {file} {file}.bak")]
    found = [re.search(r"line (\d+)$", message) for message in logged.messages]
    notes = [
        note(f"settings: {FILE.name}, line {line} is no setting", without(line))
        for line in (int(each[1]) for each in found if each)
    ]
    notes += [
        note(f"settings: {error}", place_of(name)[1])
        for name, error in settings().name_errors().items()
    ]
    return notes or [ok("settings")]


class LogCollector(logging.Handler):
    """The messages of one logger from now on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.messages: list[str] = []
        logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def wrong_setting(name: str, why: str) -> Finding:
    """Name the setting and its place, but not its value: it may be secret."""
    place, mend = place_of(name)
    why = why.removeprefix("Value error, ")
    mend = WITHOUT_PROVIDER if name == "AI" else mend
    return wrong(f"settings: {name}, in {place}: {why}", mend)


def place_of(name: str) -> tuple[str, str]:
    """Return the place of a setting, and the command that removes it."""
    given = {each.upper() for each, value in os.environ.items() if value}
    if name not in given and FILE.is_file():
        lines = FILE.read_text("utf-8").splitlines()
        for number, line in reversed([*enumerate(lines, 1)]):
            if re.match(rf"\s*(export\s+)?{name}\s*=", line, re.IGNORECASE):
                return f"{FILE.name}, line {number}", without(number)
    return "the environment", f"unset {name}"


def without(line: int) -> str:
    """Return the command that makes a line of .env a comment."""
    return f"sed -i.bak '{line}s/^/#/' {shlex.quote(os.path.relpath(FILE))}"
