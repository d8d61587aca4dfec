"""Stand-ins for the services that answer the AI's prompts, on real ports."""

from .ollama_stub import OllamaStub
from .openai_stub import OpenAIStub
from .serving import Exchange, Fault, last_message, lines, serve

__all__ = [
    "Exchange",
    "Fault",
    "OllamaStub",
    "OpenAIStub",
    "last_message",
    "lines",
    "serve",
]
