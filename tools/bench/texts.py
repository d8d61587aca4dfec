"""The texts of the messages, and of the AI's reply."""

import json
from random import Random

WORDS = (
    "a about again and at chat everybody for hear here I in is it like message "
    "never nobody now of one or people read room say somebody that the then "
    "there they to wait we what when who you"
)
_random = Random(6)
BODIES = [" ".join(_random.choices(WORDS.split(), k=12)) for _ in range(997)]
"""Messages of about 60 characters; those close together differ."""

QUESTION = "Tell us a story, and take your time."
TOKENS_PER_SECOND = 100
TOKENS = [f"{word} " for word in Random(7).choices(WORDS.split(), k=500)]
STORY = "".join(TOKENS)


def recording() -> str:
    """Return the reply as a recording, which `AI=replay:FILE` plays."""
    parts = [[n / TOKENS_PER_SECOND, each] for n, each in enumerate(TOKENS)]
    prompt = [{"role": "user", "content": QUESTION}]
    whole = {"prompt": prompt, "reply": parts, "tokens": 0, "model": "bench"}
    return json.dumps(whole)
