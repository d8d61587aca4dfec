"""Prints what would answer: openai, ollama, local, none or replay,
with ",local" behind it where the local model helps.
"""

from ..serve import read_settings
from .provider import choose
from .replay.recordings import replayed

settings = read_settings()
helped = choose(settings) == "replay" and replayed(settings.ai)[1]
print(choose(settings) + (",local" if helped else ""))
