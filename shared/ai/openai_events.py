"""Rewrite OpenAI-compatible streams as OpenAI's documentation has them.

Servers that speak OpenAI's language differ in what they leave out, add, or
send as null. This module is the one place that knows their habits
(tests/support/providers has one of each), so that a stage reads chunks as
OpenAI's documentation shows them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from .stream_lines import (
    BadStream,
    LineReader,
    error_object,
    parse_json,
    token_count,
)
from .watchdog import Watchdog

LENGTH = {"length", "max_tokens", "max_length", "model_length"}
FILTER = {"content_filter", "content-filter", "safety", "recitation"}
FILTER |= {"prohibited_content", "blocklist", "sensitive"}


class EventReader(LineReader):
    """Rewrite the server-sent events of OpenAI-compatible servers."""

    def __init__(self, watchdog: Watchdog | None) -> None:
        super().__init__(watchdog)
        self._is_object = False
        """Whether the body is one object, as the server ignored `stream`."""
        self._data: list[bytes] = []
        self._event = b""
        self._ended = False

    def read_line(self, line: bytes) -> Iterator[bytes]:
        """Collect the fields of an event; a blank line ends it."""
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
            # Some servers write one newline between events instead of two.
            if self._data and parse_json(b"\n".join(self._data)) is not ...:
                yield from self.flush()
            self._data.append(value)

    def flush(self) -> Iterator[bytes]:
        """Yield the event that is complete, unless it is empty."""
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
            # Other text is an error's, or keeps the connection alive.
            chunk = data.decode(errors="replace") if chunk is ... else chunk
            yield from self.read_event(chunk, event)

    def done(self) -> Iterator[bytes]:
        """End the reply, even if no chunk gave a finish reason."""
        if not self._ended:
            yield self.write_chunk("", "stop", None)
        yield b"data: [DONE]\n\n"

    def read_event(self, chunk: Any, event: bytes) -> Iterator[bytes]:
        """Yield a chunk, or the error in its place."""
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
        """Return a choice's text, wherever the server puts it."""
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self.count_hidden(
                delta.get("reasoning_content") or delta.get("reasoning")
            )
            refusal = self.text_in(delta.get("refusal"))
            if text := self.text_in(delta.get("content")) + refusal:
                return text
        message = choice.get("message")
        # Some servers repeat the whole message at the end of a stream.
        if isinstance(message, dict) and not self.has_text:
            refusal = self.text_in(message.get("refusal"))
            return self.text_in(message.get("content")) + refusal
        return self.text_in(delta or choice.get("text"))

    def text_in(self, content: object) -> str:
        """Return the text of a content, which may be a list of parts."""
        if isinstance(content, list):
            return "".join(map(self.text_in, content))
        if isinstance(content, dict):
            if re.search("think|thought|reason", str(content.get("type"))):
                self.count_hidden(json.dumps(content))
                return ""
            content = content.get("text")
        return content if isinstance(content, str) else ""

    def write_chunk(self, text: str, end: str | None, usage: Any) -> bytes:
        """Return a chunk in OpenAI's format."""
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


def is_plain_delta(chunk: Any) -> bool:
    """Whether a chunk has text and nothing else, and can pass unchanged."""
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


def total_usage(usage: object) -> dict[str, int] | None:
    """Return the usage with its total."""
    if not isinstance(usage, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    prompt, reply, total = (token_count(usage.get(name)) for name in names)
    total = total or prompt + reply
    return dict(zip(names, (prompt, reply, total), strict=True))


def write_event(data: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"
