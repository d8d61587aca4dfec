"""The queue of questions: one reply at a time in a room."""

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from shared.ai import one_reply_at_a_time
from shared.ai.context import AppContext
from shared.ai.provider import Provider
from shared.chat.messages import AIMessage, Message
from shared.party import Room, Server
from shared.party.hooks import set_caller
from shared.party.registry import PartyRegistry
from shared.settings import Settings

Change = Callable[..., Settings]

PRESENTER = Mock(websocket="the presenter's")
"""A connection; in these tests, its questions are in upper case."""


class Answering(Server):
    """Answers questions in turn, when it is told to go on."""

    def __init__(self, kind: Provider = "openai") -> None:
        context = AppContext()
        context.model.kind = kind
        context.is_presenter = lambda handshake: handshake is not None
        self.moderation = context.moderation
        parties = PartyRegistry({}, context=context)
        super().__init__(Room("chat", "1", parties.context))
        self.answered: list[str] = []
        self.replies: list[AIMessage] = []
        self.at_work = 0
        self.may_go_on = asyncio.Event()

    @one_reply_at_a_time
    async def answer(self, question: Message) -> None:
        self.at_work += 1
        assert self.at_work == 1
        await self.may_go_on.wait()
        self.answered.append(question.body)
        self.replies.append(AIMessage())
        self.at_work -= 1
        if question.body.startswith("bad"):
            raise ValueError(question)


def question(body: str) -> Message:
    return Message(id=f"id of {body}", user=f"asker of {body}", body=body)


async def started(room: Answering, *bodies: str) -> list[asyncio.Task[None]]:
    """Ask questions, all at once."""
    tasks = []
    for each in bodies:
        set_caller(PRESENTER if each.isupper() else None)
        tasks.append(asyncio.create_task(room.answer(question(each))))
    for _ in range(
        10
    ):  # turns of the loop, in which each gets as far as it can
        await asyncio.sleep(0)
    return tasks


def test_question_queue_is_unused_without_an_ai() -> None:
    """Else the whole prompt would be put together, for each message."""

    async def ask() -> None:
        room = Answering("none")
        await asyncio.gather(*await started(room, "a", "b"))
        assert room.answered == []

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("questions", "size", "expected"),
    [
        ("abcde", None, "abcde"),
        ("abcdefghij", None, "abcdej"),
        ("abcde", 2, "abe"),
    ],
)
def test_question_queue_bounds_its_questions(
    setting: Change, questions: str, size: int | None, expected: str
) -> None:
    """Of those that are too many, the last one is answered."""
    setting(**({"max_queued_questions": size} if size else {}))

    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *questions)
        waiting = [not task.done() for task in tasks]
        assert sum(waiting) == len(expected)
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == list(expected)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        ("abA", "aAb"),
        ("aABbC", "aABCb"),
        ("abcdeA", "aAbe"),
        ("aABCDbcde", "aADbe"),
        ("ABab", "ABab"),
    ],
)
def test_question_queue_answers_the_presenter_first(
    setting: Change, questions: str, expected: str
) -> None:
    """Their questions are merged only with each other."""
    size = 3 if questions == "aABbC" else 2
    setting(max_queued_questions=size)

    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *questions)
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == list(expected)
        for reply in room.replies:
            assert reply.in_reply_to
            merged = reply.in_reply_to.merged
            last = reply.in_reply_to.body in "De"
            skipped = len(questions) - len(expected)
            assert bool(merged) == (last and skipped > 0)

    asyncio.run(ask())


def test_question_queue_answers_the_presenter_first_after_a_pause() -> None:
    async def ask() -> None:
        room = Answering()
        room.may_go_on.set()
        room.moderation.pause()
        tasks = await started(room, *"abAB")
        assert room.answered == []
        room.moderation.resume()
        await asyncio.gather(*tasks)
        assert room.answered == ["A", "B", "a", "b"]

    asyncio.run(ask())


def test_question_queue_drops_others_for_the_presenter(
    setting: Change,
) -> None:
    """Also if everybody is answered again before their turn."""
    setting(max_queued_questions=2)

    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abcdA")
        room.moderation.resume(only_presenter=True)
        tasks += await started(room, *"eB")
        room.moderation.resume()
        tasks += await started(room, *"f")
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        assert room.answered == ["a", "A", "B", "f"]
        assert room.replies[-1].in_reply_to
        assert room.replies[-1].in_reply_to.merged is None

    asyncio.run(ask())


def test_question_queue_goes_on_without_a_cancelled_question() -> None:
    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abAB")
        room.may_go_on.set()
        tasks[2].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends if end] == [asyncio.CancelledError]
        assert room.answered == ["a", "B", "b"]

    asyncio.run(ask())


def test_reply_refers_to_its_question(setting: Change) -> None:
    """It counts the questions that were merged into that one."""
    setting(max_queued_questions=2)

    async def ask() -> None:
        room = Answering()
        tasks = await started(room, *"abcdef")
        room.may_go_on.set()
        await asyncio.gather(*tasks)
        found = [each.in_reply_to for each in room.replies]
        assert [each and (each.body, each.merged) for each in found] == [
            ("a", None),
            ("b", None),
            ("f", 3),
        ]
        assert found[0]
        assert found[0].id == "id of a"
        assert found[0].user == "asker of a"
        assert AIMessage().in_reply_to is None

    asyncio.run(ask())


def test_question_queue_goes_on_after_a_failure() -> None:
    async def ask() -> None:
        room = Answering()
        tasks = await started(room, "a", "bad b", "c", "d", "e", "f", "g")
        tasks[0].cancel()
        tasks[2].cancel()
        room.at_work = 0
        room.may_go_on.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert room.answered == ["bad b", "d", "e", "g"]
        kinds = [type(end) for end in ends if end]
        cancelled = asyncio.CancelledError
        assert kinds == [cancelled, ValueError, cancelled]
        await room.answer(question("at last"))
        assert room.answered[-1] == "at last"

    asyncio.run(ask())
