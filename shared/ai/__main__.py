"""Prints which AI would answer: openai, ollama, local or none."""

from ..settings import settings
from .choice import choose

print(choose(settings()))
