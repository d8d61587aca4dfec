"""Replies of the local model pass the filter, in a stage; a stub writes."""

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from shared.ai.local import process
from shared.ai.local.word_filter import MASK
from shared.settings import Settings

from ..support.chat_model import run_replies
from ..support.conversation import enter, hear_local
from ..support.server_process import ServerProcess
from ..support.stubs import OpenAIStub
from ..unit.ai.test_word_filter import LISTED, SPELLINGS, hide

Change = Callable[..., Settings]


def in_tokens(text: str, size: int) -> Iterator[str]:
    """Split each word of a text into tokens of at most that size."""
    for word in re.findall(r"\S+\s*", text):
        for start in range(0, len(word), size):
            yield word[start : start + size]


@pytest.fixture
def model(
    openai: OpenAIStub, setting: Change, monkeypatch: pytest.MonkeyPatch
) -> OpenAIStub:
    """A stub of the local model."""

    async def stop() -> None:
        pass

    async def start() -> SimpleNamespace:
        url, key = openai.base_url, openai.key
        return SimpleNamespace(url=url, key=key, stop=stop)

    monkeypatch.setattr(process, "start_llama", start)
    setting(ai="local")
    return openai


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("spell", SPELLINGS)
def test_local_model_shows_no_listed_word(
    model: OpenAIStub, spell: Callable[[str], str], size: int
) -> None:
    spelled = [spell(word) for word in LISTED]
    listed = re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, spelled))})(?!\w)"
    )
    chunks = [spelled[at : at + 20] for at in range(0, len(spelled), 20)]

    def reply(body: dict[str, Any]) -> list[str]:
        words = chunks[int(body["messages"][-1]["content"])]
        return [
            token
            for word in words
            for token in in_tokens(f"I say {word}. ", size)
        ]

    model.reply = reply
    replies = run_replies(*map(str, range(len(chunks))))
    for frames, words in zip(replies, chunks, strict=True):
        assert not any(listed.search(shown) for shown, _ in frames)
        assert frames[-1][0].count("I say ") == len(words)
        assert frames[-1][0].count(MASK) >= len(words)


def test_local_model_shows_the_rest_unchanged(model: OpenAIStub) -> None:
    model.reply = ["The as", "sistant", " is in cl", "ass", ".\n", "Bye", "!"]
    (frames,) = run_replies("hello")
    shown = list(dict.fromkeys(text for text, _ in frames if text))
    assert shown == [
        "The ",
        "The assistant is in ",
        "The assistant is in class.\n",
        "The assistant is in class.\nBye!",
    ]


CHATTER = """\
lol|hey|what?|haha nice one|you are stupid|shut up|omg|who is there?|boring
say something funny|I hate this|wtf is that|tell me a dirty joke|insult me
what the hell|ugh|are you drunk?|he said a bad word|sing a rap song|damn"""


@pytest.mark.soak
@pytest.mark.stages(5)
def test_local_model_does_not_swear(
    serve: Callable[..., ServerProcess],
) -> None:
    """Read the replies that it prints for words that no list has."""
    chat = serve(AI="local", AI_TIMEOUT="50")
    with chat.join() as ada:
        enter(ada)
        for question in re.split(r"[|\n]", CHATTER):
            ada.say(question)
            body = hear_local(ada)["body"]
            print(f"{question} → {body}")
            assert hide(body) == body
