"""Find a visitor's country in the request's headers."""

import re

from starlette.requests import HTTPConnection

from ..settings import settings

REGION = re.compile(
    r"(?:^|,)\s*[a-z]{2,3}(?:-[a-z]{4})?-([a-z]{2})(?=$|[,;\s-])", re.I
)
"""A language with a region, as in `de-AT` or `zh-Hant-TW`."""


def get_country(request: HTTPConnection) -> str | None:
    """Return the country's code, such as DE, or None if it is unknown.

    It comes from the header that a trusted proxy sets (`COUNTRY_HEADER`);
    without one, from the first region among the browser's languages.
    """
    if name := settings().country_header:
        code = request.headers.get(name, "").strip().upper()
        return code if re.fullmatch("[A-Z]{2}", code) else None
    found = REGION.search(request.headers.get("accept-language", ""))
    return found[1].upper() if found else None
