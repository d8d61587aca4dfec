"""What an AI says in a bench, and how fast."""

import json
from random import Random

from tools.bench.door import WORDS

QUESTION = "Tell us a story, and take your time."
PACE = 100
"""Tokens a second."""

chosen = Random(7)
TOKENS = [f"{word} " for word in chosen.choices(WORDS.split(), k=500)]
STORY = "".join(TOKENS)


def recording() -> str:
    """The reply as a recording, which `AI=replay:FILE` plays."""
    parts = [[number / PACE, each] for number, each in enumerate(TOKENS)]
    prompt = [{"role": "user", "content": QUESTION}]
    whole = {"prompt": prompt, "reply": parts, "tokens": 0, "model": "bench"}
    return json.dumps(whole)
