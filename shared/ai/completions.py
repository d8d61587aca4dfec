"""Chat completions of servers that refuse a part of what they are asked."""

import logging
import re
from typing import Any

from openai import BadRequestError, UnprocessableEntityError
from openai.resources.chat import AsyncCompletions

logger = logging.getLogger("ai")

REFUSALS = {
    "stream_options": re.compile("stream_options|include_usage"),
    "system": re.compile("system role|role.{0,9}system", re.I),
}
"""The parts that can be left out, and how a refusal names them."""

CONSEQUENCES = {
    "stream_options": "stream_options is refused: tokens are estimated",
    "system": "a system role is refused: instructions go to the first user",
}


class Completions(AsyncCompletions):
    """Ask without the parts that this server has refused."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._refused: set[str] = set()

    async def create(self, **options: Any) -> Any:
        """Ask; and if a part is refused, ask once without it."""
        while True:
            try:
                return await super().create(**self._without_refused(options))
            except (BadRequestError, UnprocessableEntityError) as error:
                text = f"{error} {error.body}"
                for part, named in REFUSALS.items():
                    if part not in self._refused and named.search(text):
                        self._refused.add(part)
                        logger.warning(CONSEQUENCES[part])
                        break
                else:
                    raise

    def _without_refused(self, options: dict[str, Any]) -> dict[str, Any]:
        left = dict(options)
        if "stream_options" in self._refused:
            left.pop("stream_options", None)
        system, *turns = left["messages"]
        if "system" in self._refused and system["role"] == "system" and turns:
            text = f"{system['content']}\n\n{turns[0]['content']}"
            left["messages"] = [{**turns[0], "content": text}, *turns[1:]]
        return left
