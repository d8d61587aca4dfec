"""Make prompts from a room's conversation."""

from collections.abc import Sequence
from itertools import islice

from ..chat.messages import Message
from ..chat.names import one_line
from .context import model
from .replay.recordings import Prompt

MAX_PROMPT_MESSAGES = 20
"""Messages in a prompt, the question included."""


def make_prompt(messages: Sequence[Message], question: Message) -> Prompt:
    """Return the end of a conversation, up to the question to be answered.

    It leaves out replies that are unfinished, failed or hidden, and questions
    after this one, which get replies of their own.
    """
    earlier = (
        each
        for each in reversed(messages)
        if each.status is None and each.id != question.id
        if not each.hidden
        if each.role == "assistant" or is_before(each, question)
    )
    window = [question]
    size = body_bytes(question)
    for message in islice(earlier, MAX_PROMPT_MESSAGES - 1):
        size += body_bytes(message)
        if size > model().context_bytes:
            break
        window.insert(0, message)
    people = {each.user for each in window if each.role == "user"}
    prefix_name = model().prefix_names and len(people) > 1
    return [
        {"role": "system", "content": model().instructions},
        *(
            {"role": m.role, "content": prompt_text(m, prefix_name)}
            for m in window
        ),
    ]


def for_template(prompt: Prompt) -> Prompt:
    """Return a prompt that every model's chat template accepts.

    Many templates demand one leading system message, then user and assistant
    in turn. So neighbours of one role become one message, and a later system
    message, such as a classifier's, is appended to the user's before it.
    """
    merged: Prompt = []
    for message in prompt:
        role, text = message["role"], message["content"]
        separator = "\n"
        if role == "system" and any(each["role"] == "user" for each in merged):
            role, separator = "user", "\n\n"
        last = merged[-1] if merged else {"role": "", "content": ""}
        if last["role"] == role:
            text = last["content"] + separator + text
            merged[-1] = {"role": role, "content": text}
        elif role != "assistant" or last["role"] == "user":
            merged.append({"role": role, "content": text})
    return merged


def prompt_text(message: Message, prefix_name: bool) -> str:
    """Return a message's text, after its author's name if `prefix_name`."""
    if prefix_name and message.role == "user":
        return f"{one_line(message.user)}: {message.body}"
    return message.body


def body_bytes(message: Message) -> int:
    """Return the size of a message's body in bytes."""
    # Not characters: one of some scripts is several tokens.
    return len(message.body.encode())


def is_before(message: Message, question: Message) -> bool:
    """Whether a message is before the question in the room's log."""
    return (message.seq or 0) < (question.seq or 0)
