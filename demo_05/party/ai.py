"""The AI: stream a reply of a model, and count its tokens."""

from shared.ai import Prompt, Stream, model, require_finish_reason, supervised


@supervised
async def stream_reply(prompt: Prompt, name: str = "") -> Stream:
    """Yield the text so far, and its tokens: as reported, or an estimate."""
    ask = ask_ollama if model().kind == "ollama" else ask_openai
    async for text, tokens in ask(prompt, name or model().name):
        yield text, tokens


async def ask_openai(prompt: Prompt, name: str) -> Stream:
    """Ask OpenAI, or another server with its API."""
    text, tokens, end = "", 0, None
    async with await model().client.chat.completions.create(
        model=name,
        messages=prompt,
        stream=True,
        stream_options={"include_usage": True},
        **model().options,
    ) as chunks:
        async for chunk in chunks:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                end = choice.finish_reason or end
            if chunk.usage:
                tokens = chunk.usage.total_tokens
            yield text, tokens
    require_finish_reason(end)


async def ask_ollama(prompt: Prompt, name: str) -> Stream:
    """Ask Ollama, which runs open models such as Llama."""
    text = ""
    async for part in await model().client.chat(
        model=name, messages=prompt, stream=True
    ):
        text += part.message.content or ""
        tokens = (part.prompt_eval_count or 0) + (part.eval_count or 0)
        yield text, tokens
    require_finish_reason(part.done_reason or part.done)
