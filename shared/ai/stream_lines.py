"""Read a provider's stream line by line, and rewrite Ollama's lines."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from ..chat.usage import MAX_TOKENS
from .watchdog import Watchdog

MAX_LINE_BYTES = 1024 * 1024
"""Bytes of a line; only the beginning of a longer one is read."""


class BadStream(Exception):
    """Raised for a body that is not a reply's stream, with the reason."""


class LineReader:
    """Split a stream into lines of bounded size, and rewrite each."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        self.watchdog = watchdog
        self.has_text = False
        self._line = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Read bytes, and yield those that the client gets instead."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._extend(line)
            yield from self.read_line(bytes(self._line).removesuffix(b"\r"))
            self._line.clear()
        self._extend(rest)
        if len(self._line) > MAX_LINE_BYTES:
            yield from self.read_line(bytes(self._line[:MAX_LINE_BYTES]))
            yield from self.flush()
            raise BadStream("a line is longer than 1 MiB")

    def end(self) -> Iterator[bytes]:
        """Read the last line, which no newline follows."""
        yield from self.read_line(bytes(self._line))
        yield from self.flush()

    def _extend(self, part: bytes) -> None:
        room = MAX_LINE_BYTES + 1 - len(self._line)
        self._line += part[:room]

    def count_hidden(self, thought: object) -> None:
        """Leave reasoning out, and count it for the estimate of tokens."""
        if self.watchdog and isinstance(thought, str):
            self.watchdog.hidden_bytes += len(thought)

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Override: rewrite a line, which comes without its newline."""
        raise NotImplementedError

    def flush(self) -> Iterator[bytes]:
        """Override: yield the rest after the last line."""
        yield from ()


class OllamaReader(LineReader):
    """Rewrite the JSON lines of Ollama's /api/chat."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        super().__init__(watchdog)
        self._empty = True

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Yield a part of a reply, or the error in its place."""
        part = parse_json(line) if line.strip() else None
        if part is ...:
            raise BadStream("a line is not JSON")
        if not isinstance(part, dict):
            return
        self._empty = False
        if error := part.get("error"):
            yield write_line({"error": error_object(error)["message"]})
            return
        message = part.get("message")
        content = message.get("content") if isinstance(message, dict) else ""
        if isinstance(message, dict):
            self.count_hidden(message.get("thinking"))
        reason = part.get("done_reason")
        kept = {
            "message": assistant_message(
                content if isinstance(content, str) else ""
            ),
            "done": bool(part.get("done")),
            "done_reason": reason if isinstance(reason, str) else None,
            "prompt_eval_count": token_count(part.get("prompt_eval_count")),
            "eval_count": token_count(part.get("eval_count")),
        }
        yield write_line(kept)

    def flush(self) -> Iterator[bytes]:
        """Yield an unfinished part if there was none: ask_ollama needs one."""
        if self._empty:
            yield write_line({"message": assistant_message(""), "done": False})


def parse_json(data: bytes) -> Any:
    """Parse JSON, even if cut off for its size; return `...` if invalid."""
    partial = len(data) >= MAX_LINE_BYTES - 16
    try:
        return from_json(
            data, allow_partial="trailing-strings" if partial else False
        )
    except ValueError:
        pass
    try:
        return json.loads(data)  # also half of an emoji
    except ValueError:
        return ...


def error_object(error: object) -> dict[str, Any]:
    """Return an error in OpenAI's format, with its message as text."""
    fields = error if isinstance(error, dict) else {"message": error}
    nested = fields.get("error")
    message = fields.get("message") or nested or "the provider gives no reason"
    code = fields.get("code") or fields.get("status")
    return {"message": str(message), "code": code, "type": fields.get("type")}


def token_count(tokens: object) -> int:
    """Return a number of tokens if it is plausible, else 0."""
    known = isinstance(tokens, int | float) and 0 < tokens < MAX_TOKENS
    return int(tokens) if known else 0  # type: ignore[call-overload]


def assistant_message(text: str) -> dict[str, str]:
    """Return a message of the assistant."""
    return {"role": "assistant", "content": text}


def write_line(part: dict[str, Any]) -> bytes:
    """Return a line of JSON."""
    return json.dumps(part).encode() + b"\n"
