"""Tells `make doctor` how the app is: `python -m tools.patient`, in .venv.

It prints lines of JSON, each as soon as it is known: what it would listen on,
and then findings.
"""

import asyncio
import json
import logging
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

# All that a stage without an AI imports.
from shared import serve  # noqa: F401
from shared.ai import clients
from shared.ai.chat_model import ChatModel
from shared.ai.error_messages import VERSION
from shared.ai.local import process as local
from shared.ai.provider import OLLAMA, lacks_version
from shared.ai.replay import recordings
from shared.app import CheckedSettings
from shared.settings import Settings, settings

from . import setup
from .doctor import DEMO, WHOLE_AGAIN, Finding, note, ok, wrong

PATIENCE = 2.5
"""Seconds that a server has to answer."""

WITHOUT = f"{DEMO} AI=local"
SCRIPT = "shared/ai/replay/demo_replies.jsonl"
"""The replies that make present has, without a key."""

FILE = Path(str(Settings.model_config["env_file"]))


def main() -> None:
    findings = read_settings()
    levels = [finding.level for finding in findings]
    tell(listening() if "WRONG" not in levels else {})
    tell(*findings, check_recordings())
    if "WRONG" not in levels:
        asyncio.run(ask_the_model())


def tell(*lines: object) -> None:
    for line in lines:
        print(json.dumps(line), flush=True)


def listening() -> dict[str, object]:
    """What `doctor.read_settings` tells where nothing is installed."""
    return {
        "host": settings().bind_host,
        "port": settings().port,
        "public_url": settings().public_url,
    }


def read_settings() -> list[Finding]:
    """Read the settings as the app does: what is wrong with them."""
    logged = Logged("dotenv")
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


class Logged(logging.Handler):
    """The messages of one logger from now on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.messages: list[str] = []
        logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def wrong_setting(name: str, why: str) -> Finding:
    """Name the setting and its place, but not what it is: it may be secret."""
    place, mend = place_of(name)
    why = why.removeprefix("Value error, ")
    mend = WITHOUT if name == "AI" else mend
    return wrong(f"settings: {name}, in {place}: {why}", mend)


def place_of(name: str) -> tuple[str, str]:
    """Where a setting comes from, and the command that takes it away."""
    given = {each.upper() for each, value in os.environ.items() if value}
    if name not in given and FILE.is_file():
        lines = FILE.read_text("utf-8").splitlines()
        for number, line in reversed([*enumerate(lines, 1)]):
            if re.match(rf"\s*(export\s+)?{name}\s*=", line, re.IGNORECASE):
                return f"{FILE.name}, line {number}", without(number)
    return "the environment", f"unset {name}"


def without(line: int) -> str:
    """The command that makes a line of .env a comment."""
    return f"sed -i.bak '{line}s/^/#/' {shlex.quote(os.path.relpath(FILE))}"


def check_recordings() -> Finding:
    """Whether there is something to play back."""
    try:
        recordings.read_recordings(SCRIPT)
    except ValueError as error:
        return wrong(f"recordings: {error}", f"git checkout {SCRIPT}")
    return ok("recordings")


async def ask_the_model() -> None:
    """Start what answers, as a stage does, and find out whether it would."""
    model, logged = ChatModel(), Logged("ai")
    await model.start()
    for message in logged.messages:
        mend = re.match("([A-Za-z_]+) is ignored", message)
        tell(note(f"AI: {message}", *([f"unset {mend[1]}"] if mend else [])))
    if model.kind == "openai":
        tell(await ask_openai(model))
    elif model.kind == "ollama":
        tell(await ask_ollama(model))
    elif local.NOT_INSTALLED in model.status_line:
        tell(wrong(f"AI: {local.NOT_INSTALLED}", local_again()))
    elif model.kind == "local":
        tell(await load(model), *await ask_in_vain())
    else:
        tell(ok(model.status_line))
    await model.stop()
    # The look-up of a host's name cannot be stopped, and would be waited for.
    os._exit(0)


async def ask_openai(model: ChatModel) -> Finding:
    """Whether it takes the key, and has the models."""
    # Imported late, as it takes a second.
    from openai import APIConnectionError, APIStatusError

    url = settings().openai_base_url
    where = urlsplit(url).netloc.rpartition("@")[2] if url else "OpenAI"
    if not (url or settings().openai_api_key):
        return wrong(f"{model.status_line}: put it into .env, or", WITHOUT)
    if model.problem:
        place = place_of(model.problem.partition(" ")[0])[0]
        return wrong(f"AI: {model.problem}, in {place}: mend it, or", WITHOUT)
    try:
        async with asyncio.timeout(PATIENCE):
            page = await model.client.models.list()
        names = [each.id for each in page.data]
    except APIStatusError as error:
        if error.status_code in (404, 405) and lacks_version(settings()):
            return wrong(
                f"AI: {where} has no API there: {VERSION}; or", WITHOUT
            )
        return refused(where, error.status_code, str(error))
    except (TimeoutError, APIConnectionError):
        # Networks come and go; one's own server has to be started.
        level = wrong if url else note
        return level(f"AI: {where} does not answer", WITHOUT)
    except Exception:
        why = VERSION if lacks_version(settings()) else "sign in to the Wi-Fi"
        text = f"AI: a web page answers for {where}: {why}, or"
        return wrong(text, WITHOUT)
    return having(model, where, names, another_model(model, names))


def refused(where: str, status: int, why: str) -> Finding:
    """What a status means that is no list of models."""
    # A key may be good for replies, and for nothing else.
    if status not in (401, 403) or "scope" in why:
        text = f"AI: {where} does not list its models ({status})"
        return note(f"{text}, so that nobody knows whether it would answer")
    place = place_of("OPENAI_API_KEY")[0]
    key = f"the key in {place}" if settings().openai_api_key else "to go on"
    text = f"AI: {where} refuses {key} ({status}): put one that works into .env"
    return wrong(f"{text}, or", WITHOUT)


def another_model(model: ChatModel, names: list[str]) -> str:
    """The command that takes a model which is there."""
    usual = str(Settings.model_fields["openai_model"].default)
    known = [name for name in (model.name, usual) if name in names]
    (name, *_) = map(shlex.quote, [*known, *names, usual])
    judge = f" SHOULD_REPLY_MODEL={name}" if model.classifier else ""
    return f"{DEMO} OPENAI_MODEL={name}{judge}"


async def ask_ollama(model: ChatModel) -> Finding:
    """Whether it runs, and has the models."""
    names = await pulled(model.client)
    host = settings().ollama_host
    if names is None:
        start = "ollama serve" if shutil.which("ollama") else WITHOUT
        return wrong(f"AI: no Ollama at {host or OLLAMA}", start)
    there = f"OLLAMA_HOST={host} " if host else ""
    return having(model, "Ollama", names, f"{there}ollama pull {{}}")


async def pulled(client: Any) -> list[str] | None:
    """The models that Ollama has; nothing if there is no Ollama."""
    try:
        async with asyncio.timeout(PATIENCE):
            models = (await client.list()).models
    except Exception:
        return None
    names = [str(each.model) for each in models]
    return [*names, *(name.removesuffix(":latest") for name in names)]


def having(
    model: ChatModel, where: str, names: list[str], mend: str
) -> Finding:
    """Whether all models are there that would be asked."""
    missing = [
        name
        for name in dict.fromkeys([model.name, model.classifier])
        if name and name not in names
    ]
    if not missing:
        return ok(model.status_line)
    mends = dict.fromkeys(mend.format(name) for name in missing)
    return wrong(f"AI: {where} has no {' and no '.join(missing)}", *mends)


async def load(model: ChatModel) -> Finding:
    """Whether the local model starts."""
    try:
        await model.ready()
    except Exception as error:
        return wrong(f"AI: {error}", local_again())
    return ok(model.status_line)


def local_again() -> str:
    """The command that installs it, also if that seems to be done."""
    done = setup.installed("requirements/local.txt")
    return f"{WHOLE_AGAIN.format('.venv') if done else 'make setup'} AI=local"


async def ask_in_vain() -> list[Finding]:
    """Ollama may run here, and not be asked for want of the model."""
    if settings().ai:
        return []
    async with clients.ollama_client() as client:
        if await pulled(client) is None:
            return []
    wanted = settings().ollama_model
    text = f"AI: Ollama runs here, and would answer if it had {wanted}"
    return [note(text, f"ollama pull {wanted}")]


if __name__ == "__main__":
    main()
