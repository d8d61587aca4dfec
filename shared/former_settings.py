"""Former names of settings. It needs no package, as `make deploy` has none."""

RENAMED = {
    "CONNECTIONS_A_ROOM": "MAX_CONNECTIONS_PER_ROOM",
    "FAST": "FAST_TRANSPORT",
    "GRACE": "GRACEFUL_TIMEOUT",
    "HISTORY": "HISTORY_LIMIT",
    "LARGEST_BODY": "MAX_BODY_BYTES",
    "LARGEST_FRAME": "MAX_FRAME_BYTES",
    "LIVE_ROOMS": "MAX_ROOMS",
    "MESSAGES_A_SECOND": "MAX_MESSAGES_PER_SECOND",
    "PING": "PING_INTERVAL",
    "REPLIES_WAITING": "MAX_QUEUED_QUESTIONS",
    "ROOMS_A_MINUTE": "MAX_NEW_ROOMS_PER_MINUTE",
    "TOKEN_BUDGET": "DAILY_TOKEN_BUDGET",
}
"""Former names of settings, which have no effect, and the new ones."""


def ineffective_name(name: str, place: str, why: str = "") -> str:
    """Explain that a name which was set in some place has no effect."""
    why = why or f"the setting is called {RENAMED[name]} now"
    return f"{name}, in {place}, has no effect: {why}"
