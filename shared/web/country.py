"""Where somebody is, as far as they or a proxy tell."""

import re

from starlette.requests import HTTPConnection

from ..settings import settings

REGION = re.compile(
    r"(?:^|,)\s*[a-z]{2,3}(?:-[a-z]{4})?-([a-z]{2})(?=$|[,;\s-])", re.I
)
"""A language with a region, as in `de-AT` or `zh-Hant-TW`."""


def country_of(request: HTTPConnection) -> str | None:
    """Two letters, as in DE; None if nobody tells.

    From the header that a trusted proxy sets (`COUNTRY_HEADER`), else from
    the first region in what the browser says of its languages.
    """
    if name := settings().country_header:
        told = request.headers.get(name, "").strip().upper()
        return told if re.fullmatch("[A-Z]{2}", told) else None
    found = REGION.search(request.headers.get("accept-language", ""))
    return found[1].upper() if found else None
