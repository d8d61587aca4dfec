"""Describe a failed reply: a message for visitors, a line for the log."""

import re
import traceback
from pathlib import Path

from ..settings import settings
from .provider import lacks_version

PROGRAMMING_ERRORS = NameError, TypeError, AttributeError, LookupError
"""Errors of the code that asks a model, rather than of the model."""

WRONG = "Something went wrong with this reply. Try again."
NOT_SET_UP = "The AI is not set up right here, so it cannot answer."
KEYLESS = "The AI does not accept this app’s key, so it cannot answer."

STATUS_MESSAGES = {
    401: KEYLESS,
    403: KEYLESS,
    404: "The AI does not have the model that this app asks for.",
    429: "The AI has too much to do right now. Try again in a minute.",
}

VERSION = "OPENAI_BASE_URL may lack /v1 at its end"

PROMPT = re.compile(
    r"context|too (?:long|large|many tokens)|longer than|exceed|token count"
    r"|filter|policy|policies|safety|flagged|moderation",
    re.I,
)
"""Words of providers that refuse a prompt; another one may be accepted."""

SETTING = re.compile(
    r"api.?key|auth|credential|model|param|argument|unsupported|support"
    r"|unknown|unrecognized|permitted|allowed|forbidden|extra|missing|required"
    r"|role|template|alternat|field|json|schema|stream|endpoint|deployment"
    r"|version|billing|account|temperature|max_tokens",
    re.I,
)
"""Words of providers that refuse a request because of a setting."""


def visitor_message(error: Exception) -> str:
    """Return a message for visitors about a failed reply."""
    error = cause(error)
    name, text = type(error).__name__, full_text(error)
    status = getattr(error, "status_code", None)
    code = str(getattr(error, "code", None))
    if status is None and re.fullmatch("[45][0-9][0-9]", code):
        status = int(code)  # of an error in the middle of a stream
    if isinstance(error, PROGRAMMING_ERRORS):
        return WRONG
    if isinstance(error, ImportError):
        return "No AI is installed here, so nobody can answer."
    if name == "ReplyTooLong":
        return "The AI took too long, so this reply ends here."
    # Each client has timeouts of its own.
    if "Timeout" in name:
        return "The AI went silent, so this reply ends here. Try again."
    if is_elsewhere(error) or name == "RedirectRefused":
        return NOT_SET_UP
    if status in STATUS_MESSAGES:
        return STATUS_MESSAGES[status]
    if status in (400, 422) and not PROMPT.search(text):
        if re.search("api.?key", text, re.I):
            return KEYLESS
        if SETTING.search(text):
            return NOT_SET_UP
    if status in (400, 413, 422):
        return "The AI could not work with that. Try it with other words."
    if status is not None:
        return "The AI has a problem of its own. Try again in a moment."
    return "The connection to the AI failed. Try again in a moment."


def cause(error: Exception) -> Exception:
    """Return the error of our own code that openai's client wraps."""
    inner = error.__cause__
    ours = type(inner).__module__.startswith("shared.")
    return inner if ours and isinstance(inner, Exception) else error


def full_text(error: Exception) -> str:
    """Return an error's text, with the body that openai's leaves out."""
    text, body = str(error), getattr(error, "body", None)
    left_out = isinstance(body, dict) and not isinstance(
        body.get("message"), str
    )
    return f"{text} {body}" if left_out else text


def is_elsewhere(error: Exception) -> bool:
    """Whether no API answers, as OPENAI_BASE_URL may lack its /v1."""
    status = getattr(error, "status_code", None)
    is_no_api = type(error).__name__ in ("UnexpectedWebPage", "BadStream")
    is_no_api = is_no_api or "unexpected endpoint" in str(error).lower()
    is_no_api = is_no_api or (
        status in (404, 405) and "model" not in full_text(error).lower()
    )
    return is_no_api and lacks_version(settings())


def log_message(error: Exception, file: str) -> str:
    """Return one short line for the log.

    For a programming error, it names the last line of `file` that led to it.
    """
    error = cause(error)
    line = f"{type(error).__name__}: {' '.join(full_text(error).split())[:300]}"
    if is_elsewhere(error):
        line += f" ({VERSION})"
    frames = traceback.extract_tb(error.__traceback__)
    here = [frame.lineno for frame in frames if frame.filename == file]
    if isinstance(error, PROGRAMMING_ERRORS) and here:
        return f"{Path(file).name}, line {here[-1]}: {line}"
    return line
