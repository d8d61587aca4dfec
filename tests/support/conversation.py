"""Conversations with the AI of a stage that runs."""

from typing import Any

from .presenter import Presenter
from .server_process import ServerProcess, WebSocketClient
from .stubs import Exchange, OllamaStub, OpenAIStub, lines

Stub = OpenAIStub | OllamaStub

DONE = (None, "failed", "interrupted")
"""The statuses of a reply that has ended; None: finished."""

BROKEN = "The AI has a problem of its own. Try again in a moment."
BUSY = "The AI has too much to do right now. Try again in a minute."
CUT = "The connection to the AI failed. Try again in a moment."
KEYLESS = "The AI does not accept this app’s key, so it cannot answer."
MODELLESS = "The AI does not have the model that this app asks for."
NOTHING = "The AI had nothing to say."
NOT_SET_UP = "The AI is not set up right here, so it cannot answer."
OTHER_WORDS = "The AI could not work with that. Try it with other words."
SILENT = "The AI went silent, so this reply ends here. Try again."


def enter(guest: WebSocketClient) -> list[dict[str, Any]]:
    """Wait until a guest was told what had been said; returns it."""
    messages: list[dict[str, Any]] = guest.wait_for("history")["messages"]
    return messages


def hear_ai(guest: WebSocketClient, *statuses: str | None) -> dict[str, Any]:
    """Wait until a reply has one of those statuses; None: finished."""
    wanted = " or ".join(status or "finished" for status in statuses)
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


def hear_local(
    guest: WebSocketClient, *statuses: str | None, timeout: float = 55
) -> dict[str, Any]:
    """Wait for a slow reply, such as the local model's on a busy machine."""
    while True:
        message: dict[str, Any] = guest.next(timeout).get("message", {})
        if message.get("role") == "assistant" and (
            message.get("status") in (statuses or DONE)
        ):
            return message


def ask(guest: WebSocketClient, question: str, user: str = "Ada") -> Any:
    """Ask a question, and return the reply as it ended."""
    guest.say(question, user)
    return hear_out(guest)[-1]


def asked(exchange: Exchange) -> list[str]:
    """Return a prompt's lines: the system's, and a line for each message."""
    return lines(exchange.body)


class Talk:
    """A stage and the stub behind it, for all the tests of a file."""

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

    def reset(self) -> None:
        """Clear its rooms, and reset the stub, between two tests."""
        Presenter(self.running).reset()
        self.stub.reset()
        self.log()
