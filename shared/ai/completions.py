"""Chat completions of servers that refuse an optional field."""

import logging
import re
from typing import Any

from openai import BadRequestError, UnprocessableEntityError
from openai.resources.chat import AsyncCompletions

logger = logging.getLogger("ai")


class Completions(AsyncCompletions):
    """Leave `stream_options` out where a server refuses it."""

    counts_tokens = True

    async def create(self, **options: Any) -> Any:
        """Ask; and if `stream_options` is refused, ask once without it."""
        if not self.counts_tokens:
            options.pop("stream_options", None)
        try:
            return await super().create(**options)
        except (BadRequestError, UnprocessableEntityError) as error:
            refused = re.search(
                "stream_options|include_usage", f"{error} {error.body}"
            )
            if not refused or "stream_options" not in options:
                raise
        logger.warning(
            "stream_options is refused: tokens are estimated from now on"
        )
        self.counts_tokens = False
        del options["stream_options"]
        return await super().create(**options)
