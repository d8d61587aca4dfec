"""An AI answers everybody in a room (stage 3 and later)."""

import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from ..support.conversation import (
    BROKEN,
    BUSY,
    CUT,
    DONE,
    KEYLESS,
    MODELLESS,
    NOTHING,
    OTHER_WORDS,
    SILENT,
    Stub,
    Talk,
    ask,
    asked,
    enter,
    hear_ai,
    hear_all,
    hear_local,
    hear_out,
)
from ..support.server_process import PATIENCE, ServerProcess, Stage
from ..support.stubs import Exchange, Fault, OllamaStub, OpenAIStub, lines

pytestmark = pytest.mark.stages(3)
NEWEST = pytest.mark.stages(5)
"""For tests of code that all stages share."""

Serve = Callable[..., ServerProcess]

KEY = OpenAIStub.key


# A reply


@pytest.mark.each_provider
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
            "in_reply_to": {
                "id": question["id"],
                "user": "Ada",
                "body": "What is two and two?",
            },
        }
        assert hear_ai(bob, "thinking") == first
        exchange = talk.stub.next_request()
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
def test_reply_follows_every_message(talk: Talk) -> None:
    with talk.join() as ada, talk.join() as bob:
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
    assert talk.stub.paths == ["POST /v1/chat/completions"] * 3
    request = talk.stub.exchanges[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "gpt-4o-mini"


@pytest.mark.behaviour(
    "That a reply is finished has a sequence number in the log as well",
    expected="the next message two sequence numbers after the reply's",
)
def test_reply_end_takes_a_sequence_number(talk: Talk) -> None:
    with talk.join() as ada:
        enter(ada)
        reply = ask(ada, "And then?")
        next_one = ada.say("And after that?")
        seq = ada.wait_for("ack", id=next_one["id"])["seq"]
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
        exchange = talk.stub.next_request()
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
def test_reply_goes_on_when_its_asker_leaves(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join() as bob:
        enter(bob)
        with talk.join() as ada:
            ada.say("Goodbye!")
            exchange = talk.stub.next_request()
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
        exchange = talk.stub.next_request()
    exchange.release()
    assert exchange.wait_until_over()
    with talk.join() as bob:
        reply = enter(bob)[-1]
        if "status" in reply:  # its last word may still be on its way
            reply = hear_ai(bob, *DONE)
    assert reply["body"] == "You said: Anybody?"


def test_reply_reaches_a_connection_that_replaced_another(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join(pk="me") as ada:
        enter(ada)
        ada.say("Me again!")
        exchange = talk.stub.next_request()
        exchange.step()
        hear_ai(ada, "streaming")
        with talk.join(pk="me") as again:
            assert enter(again)[-1]["body"] == "You"
            assert ada.closed()[0] == 4001
            exchange.release()
            assert hear_ai(again, *DONE)["body"] == "You said: Me again!"


@pytest.mark.behaviour("A fast model makes 30 frames a second at most")
def test_reply_sends_at_most_30_frames_per_second(talk: Talk) -> None:
    talk.stub.delay = 0.002
    talk.stub.reply = [f"{number} " for number in range(200)]
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
def test_reply_does_not_delay_other_messages(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join() as ada, talk.join() as bob:
        enter(ada), enter(bob)
        ada.say("first")
        reply = hear_ai(bob, "thinking")
        exchange = talk.stub.next_request()
        said = ada.say("second")
        seq = ada.wait_for("ack", id=said["id"])["seq"]
        assert seq == reply["seq"] + 1
        assert bob.hear("second")["id"] == said["id"]
        with talk.join() as eve:
            assert enter(eve)[2]["id"] == said["id"]
        assert len(talk.stub.exchanges) == 1
        assert not exchange.complete
        exchange.release()
        talk.stub.next_request().release()
        bodies = [heard[-1]["body"] for heard in hear_all(bob, 2)]
        assert bodies == ["You said: first", "You said: second"]
    with talk.join() as eve:
        messages = enter(eve)
    bodies = [each["body"] for each in messages]
    assert bodies == ["first", bodies[1], "second", "You said: second"]
    seqs = [each["seq"] for each in messages]
    assert seqs == sorted(set(seqs))


@pytest.mark.behaviour("One reply is written at a time, in the order asked")
def test_question_queue_answers_in_order(talk: Talk) -> None:
    talk.stub.held = True
    questions = [f"question {number}" for number in range(5)]
    with talk.join() as ada, talk.join() as bob:
        enter(ada), enter(bob)
        for number, question in enumerate(questions):
            guest = (ada, bob)[number % 2]
            said = guest.say(question)
            guest.wait_for("ack", id=said["id"])
        exchanges: list[Exchange] = []
        for question in questions:
            exchanges.append(talk.stub.next_request())
            assert all(each.complete for each in exchanges[:-1])
            assert len(talk.stub.exchanges) == len(exchanges)
            assert asked(exchanges[-1])[-1] == question
            exchanges[-1].release()
        replies = hear_all(ada, len(questions))
    bodies = [heard[-1]["body"] for heard in replies]
    assert bodies == [f"You said: {question}" for question in questions]


@pytest.mark.behaviour("The AI is told what was said before the question")
def test_prompt_ends_with_its_question(talk: Talk) -> None:
    """Later messages, which wait for their own turn, are not in it."""
    talk.stub.held = True
    with talk.join() as ada:
        ada.say("one")
        first = talk.stub.next_request()
        ada.say("two")
        ada.wait_for("ack", id=ada.say("three")["id"])
        talk.stub.held = False
        first.release()
        second = talk.stub.next_request()
        third = talk.stub.next_request()
    assert asked(first)[1:] == ["one"]
    assert asked(second)[1:] == ["one", "You said: one", "two"]
    assert asked(third)[1:] == [
        *["one", "You said: one"],
        *["two", "You said: two", "three"],
    ]
    roles = [each["role"] for each in third.body["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


@pytest.mark.behaviour("Two rooms do not wait for each other")
def test_question_queue_is_separate_for_each_room(talk: Talk) -> None:
    talk.stub.held = True
    with talk.join("hello-world") as ada, talk.join("party-chat") as bob:
        enter(ada), enter(bob)
        ada.say("from Ada")
        first = talk.stub.next_request()
        bob.say("from Bob")
        second = talk.stub.next_request()
        second.release()
        assert hear_out(bob)[-1]["body"] == "You said: from Bob"
        assert not first.complete
        first.release()
        assert hear_out(ada)[-1]["body"] == "You said: from Ada"
        # And neither is told what is said in the other.
        assert asked(second)[1:] == ["from Bob"]


# Failures


AT_ONCE: dict[Fault, str] = {
    "400": OTHER_WORDS,
    "401": KEYLESS,
    "404": MODELLESS,
    "429": BUSY,
    "quota": BUSY,
    "500": BROKEN,
    "503": BROKEN,
    "html": CUT,  # as from a hotel's Wi-Fi, which wants to be paid first
}
IN_THE_MIDDLE: list[Fault] = ["cut", "ends_early", "error", "garbage"]


def fail(talk: Talk, fault: Fault) -> str:
    """Let a reply fail, and return its body; the next one works."""
    talk.stub.fault = fault
    question = f"Please fail: {fault}"
    with talk.join() as ada, talk.join() as bob:
        enter(ada), enter(bob)
        failed = ask(ada, question)
        assert hear_out(bob)[-1] == failed
        talk.stub.fault = None
        assert ask(ada, "and now?")["body"] == "You said: and now?"
    assert failed["status"] == "failed"
    assert asked(talk.stub.exchanges[-1])[1:] == [question, "and now?"]
    with talk.join() as eve:
        assert failed in enter(eve)
    (line,) = talk.log()
    assert line.startswith("WARNING ai: a reply failed: ")
    assert KEY not in line
    return str(failed["body"])


@pytest.mark.each_provider
@pytest.mark.behaviour("A reply that fails says why, and the next one works")
@pytest.mark.parametrize(("fault", "words"), AT_ONCE.items())
def test_reply_that_fails_has_a_message_for_visitors(
    talk: Talk, fault: Fault, words: str
) -> None:
    assert fail(talk, fault) == words


@pytest.mark.each_provider
@pytest.mark.behaviour("What the AI said before it failed stays")
@pytest.mark.parametrize("fault", IN_THE_MIDDLE)
def test_reply_that_fails_keeps_its_text(talk: Talk, fault: Fault) -> None:
    said, _, words = fail(talk, fault).partition("\n\n")
    assert said == "You said:"
    assert words in (CUT, BROKEN)


@pytest.mark.each_provider
def test_reply_without_text_fails(talk: Talk) -> None:
    talk.stub.reply = ["", ""]
    with talk.join() as ada:
        enter(ada)
        failed = ask(ada, "Say nothing.")
    assert (failed["status"], failed["body"]) == ("failed", NOTHING)


@pytest.mark.each_provider
def test_reply_times_out_when_the_model_hangs(serve: Serve, stub: Stub) -> None:
    chat = serve(**stub.settings, AI_TIMEOUT="1.5")
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
        assert ask(bob, "and now?")["body"] == "You said: and now?"
        assert asked(stub.exchanges[-1])[1:] == [
            "Hang in the middle.",
            "and now?",
        ]
    assert len(chat.errors().splitlines()) == 2


@NEWEST
@pytest.mark.each_provider
def test_reply_fails_without_a_connection(
    serve: Serve, stub_kind: type[Stub]
) -> None:
    with stub_kind() as stub:
        settings = stub.settings
    chat = serve(**settings)
    with chat.join() as ada:
        enter(ada)
        failed = ask(ada, "Are you there?")
    assert (failed["status"], failed["body"]) == ("failed", CUT)
    assert len(chat.errors().splitlines()) == 1


@NEWEST
def test_reply_fails_without_the_model(
    serve: Serve, ollama: OllamaStub
) -> None:
    settings = {**ollama.settings, "AI": ""}
    chat = serve(**settings, OLLAMA_MODEL="llama9")
    note = "AI: llama9 (Ollama)"
    assert chat.process.stdout
    assert chat.process.stdout.readline().strip() == note
    assert note in chat.get("/chats/hello-world").text
    with chat.join() as ada:
        enter(ada)
        assert ask(ada, "hello")["body"] == MODELLESS
        ollama.models.append("llama9:latest")
        assert ask(ada, "hello again")["body"] == "You said: hello again"
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


@pytest.mark.parametrize("grace", ["8", "0.2"])
def test_shutdown_waits_for_a_reply_or_interrupts_it(
    serve: Serve, openai: OpenAIStub, grace: str
) -> None:
    openai.held = True
    chat = serve(**openai.settings, GRACEFUL_TIMEOUT=grace)
    with chat.join() as ada, chat.join() as bob:
        enter(ada), enter(bob)
        ada.say("hello")
        exchange = openai.next_request()
        if grace != "8":
            ada.say("waiting for its turn")
        exchange.step()
        hear_ai(ada, "streaming"), hear_ai(bob, "streaming")
        wait_until_it_ends(chat)
        expected: tuple[str, str | None] = "You", "interrupted"
        if grace == "8":
            exchange.release()
            expected = "You said: hello", None
        for guest in (ada, bob):
            end = hear_ai(guest, *DONE)
            assert (end["body"], end.get("status")) == expected
            assert guest.closed()[0] == 1012
    assert chat.process.wait(PATIENCE) == 0
    assert exchange.wait_until_over() is (grace == "8")
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


@pytest.mark.each_provider
def test_classifier_decides_about_replies(serve: Serve, stub: Stub) -> None:
    settings = {**stub.settings, "SHOULD_REPLY": "1"}
    if isinstance(stub, OpenAIStub):
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
    settings = {**openai.settings, "AI": ""}
    chat = serve(**settings, OPENAI_MODEL="small-model")
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
        assert KEY not in str(ask(ada, "hello"))
    assert openai.bodies[0]["model"] == "small-model"


@NEWEST
def test_ollama_client_uses_no_proxy_for_this_machine(serve: Serve) -> None:
    """Ollama in its usual place is here, whatever the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        chat = serve(AI="ollama", http_proxy=url, AI_TIMEOUT="2")
        with chat.join() as ada:
            enter(ada)
            ask(ada, "hello")
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_no_ai_answers_nothing(serve: Serve, openai: OpenAIStub) -> None:
    chat = serve(**{**openai.settings, "AI": "none", "SHOULD_REPLY": "1"})
    stays_silent(chat, openai)
    assert "No AI answers" in chat.get("/chats/hello-world").text


def stays_silent(chat: ServerProcess, stub: OpenAIStub) -> None:
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
    chat = serve(**openai.settings)
    stays_silent(chat, openai)
    assert "AI:" not in chat.get("/chats/hello-world").text


# The local model


@NEWEST
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


@NEWEST
@pytest.mark.parametrize("package", ["xllamacpp", "glin_profanity"])
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
            failed = ask(ada, "hello")
        assert failed["status"] == "failed"
        assert failed["body"].startswith("No AI is installed here")
        assert len(chat.errors().splitlines()) == 1
    assert chat.stop() == 0
