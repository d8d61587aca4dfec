"""Prints what would answer: openai, ollama, local, none or replay,
with ",local" behind it where the local model helps.
"""

from ..serve import read_settings
from .provider import detect_provider
from .replay.recordings import parse_replay

settings = read_settings()
helped = detect_provider(settings) == "replay" and parse_replay(settings.ai)[1]
print(detect_provider(settings) + (",local" if helped else ""))
