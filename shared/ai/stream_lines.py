"""Read a provider's stream line by line, and rewrite Ollama's lines."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from .watchdog import Watchdog

MAX_LINE_BYTES = 1024 * 1024
"""Of a longer line, the beginning is read; what follows is no memory."""

MAX_TOKENS = 10_000_000
"""Of a reply; a provider that reports more is not believed."""


class BadStream(Exception):
    """Raised for a body that is no stream of a reply; says what it is."""


class LineReader:
    """Split bytes into lines, of which each has a bounded size."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        self.watchdog = watchdog
        self.has_text = False
        self._line = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Read some bytes: what a client gets instead."""
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
        """Read what no newline followed."""
        yield from self.read_line(bytes(self._line))
        yield from self.flush()

    def _extend(self, part: bytes) -> None:
        room = MAX_LINE_BYTES + 1 - len(self._line)
        self._line += part[:room]

    def count_hidden(self, thought: object) -> None:
        """Leave reasoning out, but for the estimate of tokens."""
        if self.watchdog and isinstance(thought, str):
            self.watchdog.hidden_bytes += len(thought)

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Override: a line, without its newline."""
        raise NotImplementedError

    def flush(self) -> Iterator[bytes]:
        """Override: what is left, now that all lines have been read."""
        yield from ()


class OllamaReader(LineReader):
    """Lines of JSON, as Ollama's /api/chat sends them."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        super().__init__(watchdog)
        self._empty = True

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Write a part of a reply, or the error that takes its place."""
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
        """Write an unfinished part if there was none, for ask_ollama."""
        if self._empty:
            yield write_line({"message": assistant_message(""), "done": False})


def parse_json(data: bytes) -> Any:
    """Parse JSON, also if it was cut off for its size; `...`: it is none."""
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
    """Return an error as OpenAI writes one, with its message as text."""
    fields = error if isinstance(error, dict) else {"message": error}
    nested = fields.get("error")
    message = fields.get("message") or nested or "the provider gives no reason"
    code = fields.get("code") or fields.get("status")
    return {"message": str(message), "code": code, "type": fields.get("type")}


def token_count(tokens: object) -> int:
    """Return a plausible number of tokens, or 0."""
    known = isinstance(tokens, int | float) and 0 < tokens < MAX_TOKENS
    return int(tokens) if known else 0  # type: ignore[call-overload]


def assistant_message(text: str) -> dict[str, str]:
    """Return a message of the model."""
    return {"role": "assistant", "content": text}


def write_line(part: dict[str, Any]) -> bytes:
    """Write a line of JSON."""
    return json.dumps(part).encode() + b"\n"
