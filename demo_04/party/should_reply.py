"""Ask a second model whether the AI is meant, if SHOULD_REPLY is set."""

from shared.ai import Prompt, ReplyFailed, model

from .ai import stream_reply

QUESTION = """\
You read along in a chat room where several people talk, and an AI. Is the \
last message meant for the AI? Answer YES or NO; if you are unsure, NO."""


async def should_reply(prompt: Prompt) -> bool:
    """Whether the last message is meant for the AI."""
    if not model().classifier:
        return True  # SHOULD_REPLY is not set
    decision = ""
    question = [*prompt, {"role": "system", "content": QUESTION}]
    try:
        async for answer, _ in stream_reply(question, model().classifier):
            decision = "".join(filter(str.isalpha, answer)).upper()
    except ReplyFailed:
        return False
    return decision.startswith("YES")
