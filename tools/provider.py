"""Print the provider that would answer: `python -m tools.provider`.

That is openai, ollama, local, none or replay, with ",local" behind it where
the local model helps.
"""

from shared.ai.provider import detect_provider
from shared.ai.replay.recordings import parse_replay
from shared.serve import read_settings


def main() -> None:
    """Read the settings and print it."""
    settings = read_settings()
    provider = detect_provider(settings)
    helped = provider == "replay" and parse_replay(settings.ai)[1]
    print(provider + (",local" if helped else ""))


if __name__ == "__main__":
    main()
