"""The party runtime: how it ends, so that pages come back on their own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from shared.party import Connection, Frame, Server

from .party_server import Echo, House, open_house
from .running import PATIENCE


@contextmanager
def ending(house: House, grace: float) -> Iterator[None]:
    """Shut the parties down, while the block happens."""
    shutdown = house.parties.shutdown(grace)
    done = asyncio.run_coroutine_threadsafe(shutdown, house.loop)
    yield
    done.result(PATIENCE)


RESTARTING = (1012, "The server restarts. Come back in a moment.")


def test_replies_finish_and_newcomers_are_turned_away() -> None:
    """Seen to catch: closing before the hooks have finished.

    And: letting newcomers in meanwhile.
    """
    finish = asyncio.Event()

    class Chat(Echo):
        async def on_connect(self, *_: Any) -> None:
            pass

        async def on_message(self, message: Frame, sender: Connection) -> None:
            self.room.broadcast({"asked": message})
            await finish.wait()
            self.room.broadcast({"answered": message})

    with (
        open_house(chat=Chat) as house,
        house.join("1", "chat") as ada,
        house.join("2", "chat") as bob,
    ):
        ada.send("why?")
        assert ada.next() == {"asked": "why?"}
        with ending(house, grace=PATIENCE):
            assert house.refused("1", "chat") == 503
            assert house.get("/parties/chat/3").status == 503
            house.call(finish.set)
            assert ada.next() == {"answered": "why?"}
            assert ada.closed() == bob.closed() == RESTARTING


def test_a_late_hook_is_cancelled_and_may_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Seen to catch: not cancelling; closing before hooks clean up."""

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            sender.send({"asked": message})
            try:
                await asyncio.Event().wait()
            finally:
                self.room.broadcast({"interrupted": message})
                if message == "clumsy":
                    raise RuntimeError("while it was cancelled")

    with open_house(chat=Chat) as house, house.join("1", "chat") as ada:
        for message in ("clumsy", "tidy"):
            ada.send(message)
            assert ada.next() == {"asked": message}
        with ending(house, grace=0):
            heard = [ada.next(), ada.next()]
            assert {"interrupted": "tidy"} in heard
            assert {"interrupted": "clumsy"} in heard
            assert ada.closed() == RESTARTING
    assert "chat/1: a hook failed, the room goes on" in caplog.messages


def test_what_a_key_holds_back_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen to catch: leaving out `release_all`."""
    monkeypatch.setattr("shared.party.gathering.FRAMES_A_SECOND", 0.01)

    class Chat(Server):
        async def on_message(self, message: Frame, sender: Connection) -> None:
            for text in ("a", "ab", "abc"):
                self.room.broadcast({"reply": text}, key="reply")

    with open_house(chat=Chat) as house, house.join("1", "chat") as ada:
        ada.send("spell")
        assert ada.next() == {"reply": "a"}
        with ending(house, grace=PATIENCE):
            assert ada.next() == {"reply": "abc"}
            assert ada.closed() == RESTARTING


def test_a_request_in_progress_is_answered() -> None:
    """Seen to catch: leaving whoever asked to wait for a cancelled hook."""
    begun = threading.Event()

    class Slow(Server):
        async def on_request(self, request: Request) -> Response:
            begun.set()
            await asyncio.Event().wait()
            return Response()

    with open_house(slow=Slow) as house, ThreadPoolExecutor(1) as thread:
        asking = thread.submit(house.get, "/parties/slow/1")
        assert begun.wait(PATIENCE)
        with ending(house, grace=0):
            assert asking.result(PATIENCE).status == 503
