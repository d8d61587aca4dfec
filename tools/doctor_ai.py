"""Check that the AI would answer."""

import asyncio
import os
import re
import shlex
import shutil
from typing import Any
from urllib.parse import urlsplit

from shared.ai import clients
from shared.ai.chat_model import ChatModel
from shared.ai.error_messages import VERSION
from shared.ai.local import process as local
from shared.ai.provider import OLLAMA, lacks_version
from shared.settings import Settings, settings

from . import setup
from .doctor_settings import WITHOUT_PROVIDER, LogCollector, place_of
from .finding import DEMO, REINSTALL, Finding, note, ok, print_json, wrong

ANSWER_TIMEOUT = 2.5
"""Seconds that a provider has to answer."""


async def check_model() -> None:
    """Start the model as a stage does, and check that it would answer."""
    model, logged = ChatModel(), LogCollector("ai")
    await model.start()
    for message in logged.messages:
        mend = re.match("([A-Za-z_]+) is ignored", message)
        print_json(
            note(f"AI: {message}", *([f"unset {mend[1]}"] if mend else []))
        )
    if model.kind == "openai":
        print_json(await ask_openai(model))
    elif model.kind == "ollama":
        print_json(await ask_ollama(model))
    elif local.NOT_INSTALLED in model.status_line:
        print_json(wrong(f"AI: {local.NOT_INSTALLED}", local_again()))
    elif model.kind == "local":
        print_json(await load(model), *await ask_in_vain())
    else:
        print_json(ok(model.status_line))
    await model.stop()
    # The look-up of a host's name cannot be stopped, and would be waited for.
    os._exit(0)


async def ask_openai(model: ChatModel) -> Finding:
    """Check that the provider accepts the key, and has the models."""
    # Imported late, as it takes a second.
    from openai import APIConnectionError, APIStatusError

    url = settings().openai_base_url
    where = urlsplit(url).netloc.rpartition("@")[2] if url else "OpenAI"
    if not (url or settings().openai_api_key):
        return wrong(
            f"{model.status_line}: put it into .env, or", WITHOUT_PROVIDER
        )
    if model.problem:
        place = place_of(model.problem.partition(" ")[0])[0]
        return wrong(
            f"AI: {model.problem}, in {place}: mend it, or", WITHOUT_PROVIDER
        )
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            page = await model.client.models.list()
        names = [each.id for each in page.data]
    except APIStatusError as error:
        if error.status_code in (404, 405) and lacks_version(settings()):
            return wrong(
                f"AI: {where} has no API there: {VERSION}; or", WITHOUT_PROVIDER
            )
        return refused(where, error.status_code, str(error))
    except (TimeoutError, APIConnectionError):
        # Networks come and go; one's own server has to be started.
        level = wrong if url else note
        return level(f"AI: {where} does not answer", WITHOUT_PROVIDER)
    except Exception:
        why = VERSION if lacks_version(settings()) else "sign in to the Wi-Fi"
        text = f"AI: a web page answers for {where}: {why}, or"
        return wrong(text, WITHOUT_PROVIDER)
    return having(model, where, names, another_model(model, names))


def refused(where: str, status: int, why: str) -> Finding:
    """Explain a status that came instead of a list of models."""
    # A key may be good for replies, and for nothing else.
    if status not in (401, 403) or "scope" in why:
        text = f"AI: {where} does not list its models ({status})"
        return note(f"{text}, so that nobody knows whether it would answer")
    place = place_of("OPENAI_API_KEY")[0]
    key = f"the key in {place}" if settings().openai_api_key else "to go on"
    text = f"AI: {where} refuses {key} ({status}): put one that works into .env"
    return wrong(f"{text}, or", WITHOUT_PROVIDER)


def another_model(model: ChatModel, names: list[str]) -> str:
    """Return the command that names a model which is there."""
    usual = str(Settings.model_fields["openai_model"].default)
    known = [name for name in (model.name, usual) if name in names]
    (name, *_) = map(shlex.quote, [*known, *names, usual])
    judge = f" SHOULD_REPLY_MODEL={name}" if model.classifier else ""
    return f"{DEMO} OPENAI_MODEL={name}{judge}"


async def ask_ollama(model: ChatModel) -> Finding:
    """Check that Ollama runs, and has the models."""
    names = await pulled(model.client)
    host = settings().ollama_host
    if names is None:
        start = "ollama serve" if shutil.which("ollama") else WITHOUT_PROVIDER
        return wrong(f"AI: no Ollama at {host or OLLAMA}", start)
    there = f"OLLAMA_HOST={host} " if host else ""
    return having(model, "Ollama", names, f"{there}ollama pull {{}}")


async def pulled(client: Any) -> list[str] | None:
    """Return the models that Ollama has; None if there is no Ollama."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            models = (await client.list()).models
    except Exception:
        return None
    names = [str(each.model) for each in models]
    return [*names, *(name.removesuffix(":latest") for name in names)]


def having(
    model: ChatModel, where: str, names: list[str], mend: str
) -> Finding:
    """Check that all models are there that would be asked."""
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
    """Check that the local model starts."""
    try:
        await model.ready()
    except Exception as error:
        return wrong(f"AI: {error}", local_again())
    presented = "" if settings().ai else "; make present plays recordings"
    return ok(model.status_line + presented)


def local_again() -> str:
    """Return the command that installs the local model, or does so again."""
    done = setup.installed("requirements/local.txt")
    return f"{REINSTALL.format('.venv') if done else 'make setup'} AI=local"


async def ask_in_vain() -> list[Finding]:
    """Note an Ollama that is not asked, as it lacks the model."""
    if settings().ai:
        return []
    async with clients.ollama_client() as client:
        if await pulled(client) is None:
            return []
    wanted = settings().ollama_model
    text = f"AI: Ollama runs here, and would answer if it had {wanted}"
    return [note(text, f"ollama pull {wanted}")]
