"""A presenter who has the key of a stage that runs."""

from typing import Any

from .server_process import Answer, Client

KEY = "only-the-presenter-knows"


class Presenter:
    """A presenter with the link, and so the key."""

    def __init__(self, server: Client, key: str = KEY) -> None:
        self.server = server
        self.key = key

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request with the key."""
        return self.server.ask(
            method, path, body, Authorization=f"Bearer {self.key}"
        )

    def does(self, action: str, **more: str) -> Any:
        """Do something that works; returns how things are then."""
        answer = self.ask("POST", "/presenter", {"action": action, **more})
        assert answer.status == 200, answer.text
        assert KEY not in answer.text
        return answer.json()

    def sees(self) -> Any:
        """Return how things are."""
        answer = self.ask("GET", "/presenter/state")
        assert answer.status == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def reset(self) -> None:
        """Undo everything, and clear all rooms, between two tests."""
        for action in ("resume", "ask_model", "show_cursors"):
            state = self.does(action)
        for name in state["muted"]:
            self.does("unmute", name=name)
        for room in state["rooms"]:
            self.does("clear", party=room["party"], room=room["room"])
