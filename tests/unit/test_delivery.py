"""Sending, resending and showing messages, in simulated pages."""

from collections.abc import Iterator
from typing import Any

import pytest

from ..support.pages import Frame, Node, Page, node


@pytest.fixture(scope="module")
def process() -> Iterator[Node]:
    """One process for the pages of all tests here."""
    with node() as process:
        yield process


@pytest.fixture
def page(process: Node) -> Iterator[Page]:
    """A tab that was just opened, and has no connection yet."""
    page = process.page()
    yield page
    page.leave()


def said(id: str, seq: int, **more: Any) -> Frame:
    """Return a message as it is in the room's log."""
    message = {"id": id, "user": "Bob", "body": f"body of {id}", "role": "user"}
    return {**message, "seq": seq, **more}


def reply(status: str | None, body: str, seq: int = 7) -> Frame:
    """Return a version of an AI reply."""
    more = {"status": status} if status else {}
    return said("r", seq, user="AI", role="assistant", body=body, **more)


def history(*messages: Frame, epoch: str = "one") -> Frame:
    return {"type": "history", "messages": list(messages), "epoch": epoch}


def log(first: int, last: int) -> list[Frame]:
    """Return the messages with these sequence numbers."""
    return [said(f"m{seq}", seq) for seq in range(first, last + 1)]


def update(message: Frame) -> Frame:
    return {"type": "update", "message": message}


def ack(id: str, seq: int) -> Frame:
    return {"type": "ack", "id": id, "seq": seq}


def older(*messages: Frame, epoch: str = "one") -> Frame:
    return {"type": "older", "messages": list(messages), "epoch": epoch}


def error(id: str | None, why: str = "No.", **more: Any) -> Frame:
    frame = {"type": "error", "message": why, **more}
    return {**frame, "id": id} if id else frame


def ids(page: Page) -> list[str]:
    """Return the ids of the shown messages, from the top."""
    return [each["id"] for each in page.shown()]


def states(page: Page) -> dict[str, str]:
    """Return the page's status of each message."""
    return {each["id"]: each["status"] for each in page.shown()}


def spoken(page: Page) -> list[str]:
    """Return the ids of the messages sent since the last call."""
    frames = page.sent()
    assert {frame["type"] for frame in frames} <= {"message"}
    return [frame["message"]["id"] for frame in frames]


# Sending


def test_messages_are_not_sent_before_the_socket_opens(page: Page) -> None:
    """A frame to a closed socket would be an error here."""
    one, two = page.say("one"), page.say("two")
    assert spoken(page) == []
    page.open()
    assert spoken(page) == [one, two]
    page.receive(ack(one, 0))
    assert states(page) == {one: "sent", two: "sending"}


def test_unacknowledged_messages_are_resent_under_their_ids(page: Page) -> None:
    page.open()
    one, two, three = page.say("one"), page.say("two"), page.say("three")
    page.receive(ack(one, 0))
    page.sent()
    page.close()
    four = page.say("four")
    page.open()
    assert spoken(page) == [two, three, four]
    page.receive(ack(two, 1), ack(three, 2), ack(four, 3))
    page.close()
    page.open()
    assert spoken(page) == []
    assert set(states(page).values()) == {"sent"}


def test_unacknowledged_messages_are_kept_over_a_reload(page: Page) -> None:
    page.open()
    one, two = page.say("one"), page.say("two")
    page.receive(ack(one, 0))
    page.sent()
    page.reload()
    three = page.say("three")
    page.open()
    assert states(page) == {two: "sending", three: "sending"}
    assert spoken(page) == [two, three]
    page.receive(history(said(one, 0)))
    assert states(page) == {one: "sent", two: "sending", three: "sending"}
    page.receive(ack(two, 1), ack(three, 2))
    assert set(states(page).values()) == {"sent"}
    assert page.stored() == []
    page.reload()
    page.open()
    assert page.shown() == spoken(page) == []


def test_history_acknowledges_messages(page: Page) -> None:
    page.open()
    one, two = page.say("one"), page.say("two")
    page.receive(error(two, "Too fast."))
    page.close()
    page.open()
    page.receive(history(said(one, 0), said(two, 1)))
    assert states(page) == {one: "sent", two: "sent"}
    page.receive(ack(one, 0))
    assert page.stored() == []


def test_message_in_flight_is_shown_in_a_cleared_room(
    page: Page,
) -> None:
    """The server, whose room was cleared, stores it again."""
    page.open()
    one, two = page.say("one"), page.say("two")
    page.close()
    page.open()
    page.receive(history(said(one, 0), said(two, 1)))
    page.receive(history(epoch="two"))
    assert states(page) == {one: "sending", two: "sending"}
    page.receive(error(two), ack(one, 7))
    assert states(page) == {two: "failed", one: "sent"}


def test_refused_message_is_marked_and_can_be_retried(page: Page) -> None:
    page.open()
    page.receive(history(*log(0, 3)))
    one, two = page.say("one"), page.say("two")
    page.sent()
    page.receive(error(one, "The disk is full."), ack(two, 4))
    failed = page.shown()[4]
    assert failed["id"] == one
    assert failed["status"] == "failed"
    assert failed["error"] == "The disk is full."
    page.receive(update(said("m5", 5)))
    page.close()
    page.open()
    assert spoken(page) == []
    assert ids(page) == ["m0", "m1", "m2", "m3", one, two, "m5"]
    page.retry(one)
    assert spoken(page) == [one]
    assert ids(page)[-1] == one
    assert states(page)[one] == "sending"
    page.receive(ack(one, 6))
    assert page.shown()[-1] == {
        "id": one,
        "user": "Ada",
        "body": "one",
        "role": "user",
        "seq": 6,
        "status": "sent",
    }
    assert page.stored() == []


def test_failed_message_is_kept_over_a_reload(page: Page) -> None:
    page.open()
    one, two = page.say("one"), page.say("two")
    page.receive(error(one), error(two))
    page.reload()
    page.open()
    page.receive(history(*log(0, 1)))
    assert ids(page) == ["m0", "m1", one, two]
    assert states(page)[one] == states(page)[two] == "failed"
    assert spoken(page) == []
    page.receive(update(said("m2", 2)))
    page.remove(two)
    assert ids(page) == ["m0", "m1", one, "m2"]
    page.retry(one)
    page.reload()
    page.open()
    assert spoken(page) == [one]
    assert states(page) == {one: "sending"}


def test_refusal_without_an_id_is_of_the_oldest_in_flight(
    page: Page,
) -> None:
    page.open()
    page.receive(error(None))
    one, two, three = (page.say(word) for word in ("one", "two", "three"))
    page.receive(ack(one, 0), error(None, "Too large."))
    assert states(page) == {one: "sent", two: "failed", three: "sending"}
    assert page.shown()[1]["error"] == "Too large."
    page.close()
    page.sent()
    page.open()
    assert spoken(page) == [three]


@pytest.mark.parametrize("code", [1007, 1009])
def test_close_for_an_invalid_frame_marks_the_message_failed(
    page: Page, code: int
) -> None:
    page.open()
    one, two = page.say("one"), page.say("two")
    page.close(code)
    assert states(page) == {one: "failed", two: "sending"}
    page.sent()
    page.open()
    assert spoken(page) == [two]


@pytest.mark.parametrize("named", [True, False])
def test_message_with_retry_after_is_resent(page: Page, named: bool) -> None:
    page.open()
    one = page.say("one")
    page.receive(error(one if named else None, "Later.", retry_after=2))
    two = page.say("two")
    assert states(page) == {one: "sending", two: "sending"}
    page.advance(1_900)
    assert spoken(page) == [one]
    page.close()  # a request holds for the next connection, too
    page.open()
    page.advance(50)
    assert spoken(page) == []
    page.advance(700)
    assert spoken(page) == [one, two]
    page.receive(ack(one, 0), ack(two, 1))
    assert page.stored() == []


def test_connection_without_acks_is_replaced(page: Page) -> None:
    page.open()
    one = page.say("one")
    page.advance(4_000)
    two = page.say("two")
    assert page.is_open
    page.advance(1_000)
    assert not page.is_open
    assert spoken(page) == [one, two]
    page.advance(60_000)
    assert spoken(page) == []
    page.open()
    assert spoken(page) == [one, two]
    page.advance(4_999)
    page.receive(ack(one, 0))
    page.advance(4_999)
    assert page.is_open
    page.receive(ack(two, 1))
    page.advance(60_000)
    assert page.is_open


def test_refused_repetition_changes_nothing(page: Page) -> None:
    """Messages sent again too fast, or to a full disk, are kept."""
    page.open()
    one, two = page.say("one"), page.say("two")
    page.close()
    page.open()
    page.receive(history(said(one, 0), said(two, 1)), error(two))
    page.receive(history(*log(8, 9)), error(one))
    assert ids(page) == ["m8", "m9"]
    assert page.stored() == []
    three = page.say("three")
    page.receive(history(*log(8, 9), said(three, 10)), error(three))
    assert states(page)[three] == "sent"
    four = page.say("four")
    page.receive(update(said(four, 11)), history(epoch="two"), error(four))
    assert states(page) == {four: "failed"}


@pytest.mark.parametrize("away", [True, False])
def test_messages_are_sent_below_the_rate_limit(page: Page, away: bool) -> None:
    """The server accepts fifty at once, then ten per second."""
    page.open()
    page.receive(ack(page.say("hello"), 0))
    page.advance(60_000)
    page.sent()
    if away:
        page.close()
    waiting = [page.say(f"message {n}") for n in range(90)]
    if away:
        page.open()
    came: list[str] = []
    seconds = 0.0
    new = spoken(page)
    assert len(new) == 10
    while len(came) < 90:
        for id in new:
            page.receive(ack(id, 1 + len(came)))
            came.append(id)
        page.advance(100)
        seconds += 0.1
        new = spoken(page)
        assert len(came) + len(new) <= 50 + 10 * seconds
    assert came == waiting
    assert seconds < 30


def test_messages_in_flight_are_bounded(page: Page) -> None:
    waiting = [page.say(f"message {n}") for n in range(12)]
    page.open()
    page.advance(4_000)
    assert spoken(page) == waiting[:10]
    page.receive(error(waiting[4]))
    assert spoken(page) == waiting[10:11]
    page.receive(ack(waiting[0], 0))
    assert spoken(page) == waiting[11:]


def test_stored_unsent_messages_are_bounded(page: Page) -> None:
    waiting = [page.say("x" * 4_000) for _ in range(203)]
    assert sum(map(len, page.stored())) < 1_000_000
    page.reload()
    page.open()
    assert ids(page) == waiting[3:]


# Showing


LATE = [
    (reply(None, "It is done."), reply("thinking", "Thinking…")),
    (reply(None, "Done."), reply("streaming", "It is not yet do")),
    (reply(None, "Done."), reply("interrupted", "It is not yet do")),
    (reply("failed", "No."), reply("streaming", "It is not yet do")),
    (reply("interrupted", "It"), reply("streaming", "It is")),
    (reply("streaming", "It is"), reply("streaming", "It")),
    (reply("streaming", "It"), reply("thinking", "Thinking…")),
]


@pytest.mark.parametrize(("news", "late"), LATE)
def test_newer_version_of_a_reply_wins_in_any_order(
    page: Page, news: Frame, late: Frame
) -> None:
    page.receive(history(*log(0, 3)))
    page.receive(update(late), update({**news, "seq": 0}))
    shown = page.shown()
    assert shown[-1]["body"] == news["body"]
    assert shown[-1]["seq"] == 7
    for frame in (late, news, {**late, "seq": 0}, {**late, "seq": 9}):
        page.receive(update(frame))
        assert page.shown() == shown
    page.receive(history(*log(0, 3), late))
    assert page.shown() == shown
    page.receive(update({**news, "seq": 1}))
    assert page.shown() == shown


@pytest.mark.parametrize(
    "frame",
    [
        ack("nobody's", 3),
        ack("m1", 3),
        error("nobody's"),
        error("m1"),
        error(None),
        update(said("m1", 0)),
        {"type": "constructor"},
        {"type": "toString"},
        {"type": "party", "message": said("x", 9)},
        {"messages": [said("x", 9)]},
        {"type": "retried", "id": "m1"},
        {"type": "removed", "id": "m1"},
        None,
        [],
    ],
)
def test_unknown_frames_change_nothing(page: Page, frame: Any) -> None:
    page.open()
    page.receive(history(*log(0, 2)))
    before = page.shown()
    page.receive(frame, frame)
    assert page.shown() == before
    assert page.sent() == []


def test_repeated_frames_change_nothing(page: Page) -> None:
    page.open()
    page.receive(history(*log(0, 1)))
    one, two = page.say("one"), page.say("two")
    frames = [
        update(said("m2", 2)),
        ack(one, 3),
        error(one),
        error(two),
        history(*log(0, 2), said(one, 3)),
        ack(two, 4),
        error(two),
        update(reply("streaming", "It is", 5)),
    ]
    for frame in frames:
        page.receive(frame)
        shown = page.shown()
        page.receive(frame)
        assert page.shown() == shown
    assert ids(page) == ["m0", "m1", "m2", one, two, "r"]
    assert states(page)[one] == states(page)[two] == "sent"


def test_new_epoch_keeps_unacknowledged_messages(page: Page) -> None:
    page.open()
    page.receive(history(*log(0, 20)))
    kept, failed, sending = (page.say(word) for word in "abc")
    page.receive(ack(kept, 21), error(failed))
    page.close()
    page.open()
    page.receive(history(*log(0, 1), epoch="two"))
    page.receive(update(said("m2", 2)))
    assert ids(page) == ["m0", "m1", failed, "m2", sending]
    page.receive(history(epoch="three"))
    assert ids(page) == [failed, sending]


def test_history_after_a_gap_replaces_older_messages(page: Page) -> None:
    page.open()
    page.receive(history(*log(10, 20)))
    page.receive(update(said("m21", 21)))
    one = page.say("one")
    page.receive(history(*log(16, 26)))
    assert ids(page) == [each["id"] for each in log(10, 26)] + [one]
    page.close()
    page.open()
    # As it is when people speak before the newcomer is told the history.
    page.receive(*map(update, log(58, 60)))
    page.close()
    page.open()
    page.receive(*map(update, log(58, 60)))
    page.receive(history(*log(58, 60)))
    assert ids(page) == ["m58", "m59", "m60", one]
    page.receive(history(*log(59, 60)))
    assert ids(page) == ["m58", "m59", "m60", one]
    page.receive(older(*log(55, 57)))
    page.close()
    page.open()
    page.receive(history(*log(60, 62)))
    assert ids(page) == [each["id"] for each in log(55, 62)] + [one]


def test_message_before_the_first_is_shown_with_its_page(
    page: Page,
) -> None:
    """For example after a lost ack, or a reply that took long."""
    page.open()
    one = page.say("one")
    page.receive(history(*log(40, 42)))
    page.receive(update(reply("streaming", "It")), ack(one, 9))
    assert ids(page) == ["m40", "m41", "m42"]
    two = page.say("two")
    page.receive(update(said(two, 10)), ack(two, 10))
    assert ids(page) == ["m40", "m41", "m42"]
    assert page.stored() == []
    page.receive(older(*log(11, 39)), older(said(one, 9), said(two, 10)))
    assert ids(page)[:3] == [one, two, "m11"]
    page.receive(older(reply("streaming", "It")), older())
    page.receive(update(reply("streaming", "It is")))
    assert page.shown()[0]["body"] == "It is"


def test_history_replaces_messages_in_its_range_only(page: Page) -> None:
    page.receive(history(*log(0, 9)))
    page.receive(update(said("gone", 5)), update(said("new", 10)))
    page.receive(history(*log(3, 7)))
    assert ids(page) == [each["id"] for each in log(0, 9)] + ["new"]
    page.receive(history())
    assert ids(page) == [each["id"] for each in log(0, 9)] + ["new"]


def test_unfinished_reply_before_a_history_is_dropped(
    page: Page,
) -> None:
    """It may be finished by now, and no frame would update it."""
    page.open()
    page.receive(history(*log(5, 6), reply("thinking", "…"), *log(8, 12)))
    page.receive(history(*log(10, 12)))
    assert ids(page) == [each["id"] for each in log(8, 12)]
    assert page.scroll()
    page.sent()
    page.receive(older(*log(5, 6), reply(None, "Done."), *log(8, 9)))
    assert page.shown()[2]["body"] == "Done."
    page.receive(older(), history(*log(10, 12)))
    assert len(page.shown()) == 8
    assert not page.scroll()
    page.receive(history(epoch="two"), *map(update, log(20, 21)))
    page.receive(update(reply("thinking", "…", 22)), *map(update, log(23, 26)))
    assert not page.scroll()
    page.receive(history(*log(25, 26), epoch="two"))
    assert ids(page) == [each["id"] for each in log(23, 26)]
    assert page.scroll()


# Older messages


def test_older_messages_are_requested_at_the_top(page: Page) -> None:
    page.open()
    assert not page.scroll()
    page.receive(history(*log(40, 60)))
    assert page.scroll()
    assert page.requested() == [40]
    page.receive(update(said("m61", 61)), older(*log(20, 39)))
    page.receive(older(*log(20, 39)))
    assert ids(page) == [each["id"] for each in log(20, 61)]
    assert page.scroll()
    assert page.requested() == [20]
    page.receive(older())
    assert not page.scroll()
    page.close()
    page.open()
    page.receive(history(*log(41, 61)))
    assert not page.scroll()
    assert ids(page) == [each["id"] for each in log(20, 61)]
    page.receive(history(*log(80, 99)))
    assert page.scroll()
    assert page.requested() == [80]


def test_older_messages_are_not_requested_before_the_first(page: Page) -> None:
    """And in a cleared room, the answer to an earlier request is ignored."""
    page.open()
    page.receive(history(*log(0, 3)))
    assert not page.scroll()
    page.receive(history(epoch="two"))
    page.receive(update(said("m60", 60)))
    assert not page.scroll()
    page.receive(older(*log(50, 59)))
    assert ids(page) == ["m60"]
    assert page.requested() == []


def test_older_messages_are_not_requested_while_offline(page: Page) -> None:
    page.open()
    page.receive(history(*log(40, 60)))
    page.close()
    assert not page.scroll()
    page.open()
    assert page.requested() == []
    assert page.scroll()
    assert page.requested() == [40]


@pytest.mark.parametrize(
    "other",
    [
        said("m1", 9, body="a longer text in place of the first one"),
        said("m1", 1, user="Eve", body="something else that is longer"),
        said("m1", 9, user="AI", role="assistant", body="says the AI, longer"),
        said("r", 9, user="AI", body="a person who says more than the AI"),
    ],
    ids=lambda frame: f"{frame['id']} by {frame['user']}, {frame['role']}",
)
def test_stored_message_is_not_replaced(page: Page, other: Frame) -> None:
    page.open()
    first = [*log(0, 2), reply(None, "Yes.")]
    page.receive(history(*first))
    before = page.shown()
    for frame in (update(other), older(other), history(*first[1:], other)):
        page.receive(frame)
        shown = {each["id"]: each["body"] for each in page.shown()}
        assert {each["id"]: each["body"] for each in before} == shown
