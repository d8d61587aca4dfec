"""The AI as people in several browsers see it (stage 3 and later)."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Locator, expect

from ..support.browser import People, Person
from ..support.server_process import ServerProcess
from ..support.stubs import Fault, OpenAIStub, last_message

pytestmark = pytest.mark.stages(3)

THINKING = "Thinking…"
PHONE = {"width": 390, "height": 844}
FAILURES: dict[Fault, str] = {
    "401": "The AI does not accept this app’s key",
    "429": "The AI has too much to do right now.",
    "hang": "The AI went silent",
    "cut": "The connection to the AI failed.",
}
LOCAL_MODEL = 60_000
"""Milliseconds that the model in here has on a busy machine."""


def replies(person: Person) -> Locator:
    """The AI's messages on somebody's page."""
    return person.page.locator("article.ai")


@pytest.mark.behaviour("In the browser: everybody sees the reply grow")
def test_reply_grows_on_every_page(
    ai_server: ServerProcess, model: OpenAIStub, person: People
) -> None:
    model.held = True
    model.reply = ["Clicks ", "<b>in</b> ", "the\n", "deep"]
    ada = person(ai_server, "Ada")
    bob = person(ai_server, "Bob")
    expect(bob.page.get_by_role("main")).to_contain_text("AI: stub-1 (OpenAI)")
    ada.say("write a haiku about dolphins")
    exchange = model.next_request()
    for each in (ada, bob):
        each.sees_all("write a haiku about dolphins", THINKING)
        expect(replies(each)).to_have_attribute("aria-busy", "true")
        expect(replies(each)).to_contain_text("AI")
    for so_far in ["Clicks", "Clicks <b>in</b>", "Clicks <b>in</b> the"]:
        exchange.step()
        for each in (ada, bob):
            expect(replies(each).locator(".body")).to_have_text(so_far)
            expect(replies(each)).to_have_class(re.compile("streaming"))
    late = person(ai_server)
    late.enter()
    expect(replies(late).locator(".body")).to_have_text(so_far)
    exchange.release()
    for each in (ada, bob, late):
        each.sees_all(
            "write a haiku about dolphins", "Clicks <b>in</b> the\ndeep"
        )
        assert replies(each).locator(".body *").count() == 0
        expect(replies(each)).not_to_have_attribute("aria-busy", "true")
        expect(replies(each)).not_to_have_class(re.compile("streaming"))


@pytest.mark.stages(5)
@pytest.mark.behaviour("Each reply shows whom it answers, also after a reload")
@pytest.mark.parametrize("width", [390, 1280])
def test_reply_shows_its_question(
    ai_server: ServerProcess, model: OpenAIStub, person: People, width: int
) -> None:
    """Where it is shown, nothing moves while the reply grows."""
    model.held = True
    ada = person(ai_server, "Ada", viewport={"width": width, "height": 844})
    question = "write a haiku about " + "dolphins and " * 20
    ada.say(question)
    exchange = model.next_request()
    reply, places = replies(ada).first, []
    for status in ("thinking", "streaming", "sent"):
        expect(reply).to_have_class(re.compile(status))
        places.append(reply.locator(".quote").bounding_box())
        if status == "thinking":
            exchange.step()
        elif status == "streaming":
            with ai_server.join() as bob:
                for number in range(7):
                    said = bob.say(f"question {number}", "Bob")
                    bob.wait_for("ack", id=said["id"])
            model.held = False
            exchange.release()
    for old, new in pairwise(places):
        assert old
        assert new
        assert (old["x"], old["width"]) == (new["x"], new["width"])
    expect(replies(ada).locator(".quote")).to_have_text(
        [
            re.compile("^to Ada: write a haiku about dolphins and .*…$"),
            *[f"to Bob: question {number}" for number in (0, 1, 2, 3, 6)],
        ]
    )
    ada.page.reload()
    expect(replies(ada).locator(".quote")).to_have_count(6)
    expect(replies(ada).locator(".merged")).to_have_text("and 2 others")
    ada.can_read()


def test_reply_is_completed_after_its_asker_has_left(
    ai_server: ServerProcess, model: OpenAIStub, person: People
) -> None:
    """A question that was asked meanwhile is answered after it."""
    model.held = True
    model.reply = ["one ", "two"]
    ada = person(ai_server, "Ada")
    bob = person(ai_server, "Bob")
    ada.say("count")
    exchange = model.next_request()
    exchange.step()
    expect(replies(bob).locator(".body")).to_have_text("one")
    ada.page.context.close()
    bob.say("and now?")
    bob.sees_all("count", "one", "and now?")
    exchange.release()
    bob.sees_all("count", "one two", "and now?", THINKING)
    model.next_request().release()
    bob.sees_all("count", "one two", "and now?", "one two")


def test_failed_reply_shows_its_error(
    serve: Callable[..., ServerProcess], model: OpenAIStub, person: People
) -> None:
    running = serve(
        AI="openai",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="sk-wrong",
        AI_TIMEOUT="1",
    )
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    for fault, words in FAILURES.items():
        model.fault = fault
        ada.say(f"does it work? ({fault})")
        for each in (ada, bob):
            expect(replies(each).last).to_contain_text(words)
            expect(replies(each).last).to_have_class(re.compile("failed"))
    model.fault = None
    bob.say("and now?")
    for each in (ada, bob):
        each.sees("You said: Bob: and now?")
        expect(replies(each)).to_have_count(len(FAILURES) + 1)


def test_cut_reply_and_failing_classifier_are_shown(
    serve: Callable[..., ServerProcess], model: OpenAIStub, person: People
) -> None:
    running = serve(
        AI="openai",
        OPENAI_BASE_URL=model.base_url,
        OPENAI_API_KEY="sk-test",
        SHOULD_REPLY="1",
    )
    model.reply = lambda body: (
        "YES" if "YES or NO" in last_message(body) else "It is"
    )
    model.finish_reason = "length"
    ada = person(running, "Ada")
    ada.say("what is two and two?")
    for _ in range(2):
        expect(replies(ada)).to_contain_text("It is")
        note = replies(ada).locator(".note")
        expect(note).to_have_text("Cut off at the model's limit.")
        ada.page.reload()
    model.fault = "500"
    ada.say("and now?")
    notice = ada.page.get_by_role("status").filter(has_text="The AI is silent")
    expect(notice).to_be_visible()
    model.fault = None
    ada.say("and again?")
    expect(replies(ada)).to_have_count(2)
    expect(notice).not_to_be_visible()


@pytest.mark.stages(4)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_conversation_is_readable_on_a_phone(
    ai_server: ServerProcess, model: OpenAIStub, person: People, scheme: str
) -> None:
    ada = person(
        ai_server, "W" * 40, "room-4", viewport=PHONE, color_scheme=scheme
    )
    bob = person(ai_server, "Bob", "room-4")
    model.reply = "The link: https://example.com/" + "a-b_" * 60
    ada.say("x" * 300)
    ada.sees(str(model.reply))
    model.fault = "429"
    bob.say("y" * 300)
    expect(replies(ada).last).to_have_class(re.compile("failed"))
    model.fault, model.held = None, True
    bob.say("?")
    ada.sees(THINKING)
    for path in ["", "/", "/chats", "/usage", "/nowhere"]:
        if path:
            ada.go(path, status=404 if path == "/nowhere" else 200)
        expect(ada.button("Log out")).to_be_in_viewport(ratio=1)
        ada.can_read()


@pytest.mark.soak
@pytest.mark.stages(5)
@pytest.mark.timeout(200)
def test_local_model_answers_everybody(
    serve: Callable[..., ServerProcess], person: People
) -> None:
    """The demo script of this stage, with nothing but what is installed."""
    running = serve(AI="local")
    ada = person(running, "Ada")
    bob = person(running, "Bob")
    expect(ada.page.get_by_role("main")).to_contain_text("SmolLM2-135M")
    for asker, question in [
        (ada, "write a haiku about dolphins"),
        (bob, "now about space"),
    ]:
        before = replies(ada).count()
        asker.say(question)
        for each in (ada, bob):
            each.sees(question)
            expect(replies(each)).to_have_count(before + 1)
            expect(replies(each).last).not_to_have_class(
                re.compile("thinking|streaming"), timeout=LOCAL_MODEL
            )
            expect(replies(each).last).not_to_have_class(re.compile("failed"))
    said = ada.messages.locator(".body").all_text_contents()
    assert bob.messages.locator(".body").all_text_contents() == said
    assert len(said) == 4
    assert all(len(reply) > 10 for reply in said[1::2])


@pytest.mark.stages(4)
def test_reply_keeps_a_selection_while_it_grows(
    ai_server: ServerProcess, model: OpenAIStub, person: People
) -> None:
    """Also when it ends, although its element is another one then."""
    model.held = True
    model.reply = ["Clicks ", "in ", "the ", "deep"]
    ada = person(ai_server, "Ada")
    ada.say("write")
    exchange = model.next_request()
    exchange.step()
    body = replies(ada).locator(".body")
    expect(body).to_have_text("Clicks")
    body.evaluate(
        "({ firstChild: text }) => {"
        " window.text = text; getSelection().setBaseAndExtent(text, 4, text, 1)"
        "}"
    )
    exchange.step()
    expect(body).to_have_text("Clicks in")
    assert body.evaluate("each => each.firstChild === window.text")
    assert ada.page.evaluate("String(getSelection())") == "lic"
    exchange.release()
    expect(replies(ada)).not_to_have_attribute("aria-busy", "true")
    expect(body).to_have_text("Clicks in the deep")
    assert ada.page.evaluate("String(getSelection())") == "lic"
