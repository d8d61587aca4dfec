"""Rewrite a provider's stream as its client's documentation has it.

Servers that speak OpenAI's language differ in what they leave out, add, or
send as null. Here is one place that knows their habits (tests/providers lists
them), so that a stage reads chunks as OpenAI's documentation shows them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from .watchdog import Watchdog

MAX_LINE_BYTES = 1024 * 1024
"""Of a longer line, the beginning is read; what follows is no memory."""

MAX_TOKENS = 10_000_000
"""Of a reply; a provider that reports more is not believed."""

LENGTH = {"length", "max_tokens", "max_length", "model_length"}
FILTER = {"content_filter", "content-filter", "safety", "recitation"}
FILTER |= {"prohibited_content", "blocklist", "sensitive"}


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


class EventReader(LineReader):
    """Server-sent events of OpenAI's chat completions, however written."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        super().__init__(watchdog)
        self._is_object = False
        """Whether the body is one object, as `stream` was ignored."""
        self._data: list[bytes] = []
        self._event = b""
        self._ended = False

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Take the fields of an event; a blank line ends it."""
        line = line.removeprefix(b"\xef\xbb\xbf")
        name, colon, value = line.partition(b":")
        if self._is_object or line.startswith((b"{", b"[")):
            self._data.append(line)
            self._is_object = self._is_object or parse_json(line) is ...
        elif not line:
            yield from self.flush()
        elif name == b"event":
            self._event = value.strip()
        elif name == b"error":  # older versions of llama.cpp's server
            self._event = name
            self._data.append(value)
        elif name == b"data" and colon:
            # One newline between events, and not two, is a habit of some.
            if self._data and parse_json(b"\n".join(self._data)) is not ...:
                yield from self.flush()
            self._data.append(value)

    def flush(self) -> Iterator[bytes]:
        """Write the event that is complete, if it says anything."""
        data, event = b"\n".join(self._data).strip(), self._event
        self._data, self._event = [], b""
        if data.startswith(b"[DONE]"):
            yield from self.done()
        elif data:
            chunk = parse_json(data)
            if chunk is ... and data.startswith(b"{"):
                raise BadStream("an event is not JSON")
            if not event and is_plain_delta(chunk) and b"\n" not in data:
                self.has_text = True
                yield b"data: " + data + b"\n\n"
                return
            # Other text is an error's, or a sign of life.
            chunk = data.decode(errors="replace") if chunk is ... else chunk
            yield from self.read_event(chunk, event)

    def done(self) -> Iterator[bytes]:
        """End the reply, also if no chunk gave a reason."""
        if not self._ended:
            yield self.write_chunk("", "stop", None)
        yield b"data: [DONE]\n\n"

    def read_event(self, chunk: Any, event: bytes) -> Iterator[bytes]:
        """Write a chunk, or the error that takes its place."""
        if isinstance(chunk, list) and len(chunk) == 1:
            chunk = chunk[0]
        if event == b"error" and not isinstance(chunk, dict):
            chunk = {"error": str(chunk)}
        if not isinstance(chunk, dict):
            return
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        choice = first if isinstance(first, dict) else {}
        reason = choice.get("finish_reason")
        reason = reason.lower() if isinstance(reason, str) else ""
        if chunk.get("object") == "chat.completion":
            reason = reason or "stop"
        error = chunk.get("error") or choice.get("error")
        failed = event == b"error" or chunk.get("object") == "error"
        if error or failed or reason == "error":
            yield write_event({"error": error_object(error or chunk)})
            return
        text = self.text_of(choice)
        self.has_text |= bool(text)
        if reason:
            self._ended = True
            reason = reason.removeprefix("finishreason.")
            reason = "length" if reason in LENGTH else reason
            reason = "content_filter" if reason in FILTER else reason
        groq = chunk.get("x_groq")
        nested = groq.get("usage") if isinstance(groq, dict) else None
        usage = total_usage(chunk.get("usage") or nested)
        yield self.write_chunk(text, reason or None, usage)

    def text_of(self, choice: dict[str, Any]) -> str:
        """Read the text of a choice, wherever a server puts it."""
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self.count_hidden(
                delta.get("reasoning_content") or delta.get("reasoning")
            )
            refusal = self.text_in(delta.get("refusal"))
            if text := self.text_in(delta.get("content")) + refusal:
                return text
        message = choice.get("message")
        # At the end of a stream, some repeat all that was said.
        if isinstance(message, dict) and not self.has_text:
            refusal = self.text_in(message.get("refusal"))
            return self.text_in(message.get("content")) + refusal
        return self.text_in(delta or choice.get("text"))

    def text_in(self, content: object) -> str:
        """Return the text in a content, which may be a list of parts."""
        if isinstance(content, list):
            return "".join(map(self.text_in, content))
        if isinstance(content, dict):
            if re.search("think|thought|reason", str(content.get("type"))):
                self.count_hidden(json.dumps(content))
                return ""
            content = content.get("text")
        return content if isinstance(content, str) else ""

    def write_chunk(self, text: str, end: str | None, usage: Any) -> bytes:
        """Write a chunk as OpenAI does."""
        delta = {"role": "assistant", "content": text}
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        chunk = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "",
            "choices": [choice],
            "usage": usage,
        }
        return write_event(chunk)


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


def is_plain_delta(chunk: Any) -> bool:
    """Whether a chunk has text, and nothing that any client has to know."""
    try:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        return (
            type(delta["content"]) is str
            and delta["content"] != ""
            and delta.keys() <= {"content", "role"}
            and choice["finish_reason"] is None
            and chunk.get("usage") is None
            and chunk.keys().isdisjoint({"error", "x_groq"})
            and chunk.get("object") != "error"
            and choice.get("error") is None
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def error_object(error: object) -> dict[str, Any]:
    """Return an error as OpenAI writes one, with its message as text."""
    fields = error if isinstance(error, dict) else {"message": error}
    nested = fields.get("error")
    message = fields.get("message") or nested or "the provider gives no reason"
    code = fields.get("code") or fields.get("status")
    return {"message": str(message), "code": code, "type": fields.get("type")}


def total_usage(usage: object) -> dict[str, int] | None:
    """Return a usage with its total, if it counts anything."""
    if not isinstance(usage, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    prompt, reply, total = (token_count(usage.get(name)) for name in names)
    total = total or prompt + reply
    return dict(zip(names, (prompt, reply, total), strict=True))


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


def write_event(data: dict[str, Any]) -> bytes:
    """Write a server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"
