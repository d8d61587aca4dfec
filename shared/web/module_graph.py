"""Find the modules that a page loads, with all that they import."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

IMPORT = re.compile(
    r"""^[^\S\n]*(?:import|export)\b(?:[^"'();=]*\bfrom)?\s*["']([^"']+)["']""",
    re.M,
)
"""An import that is loaded before the module runs, unlike `import(…)`."""


def find_modules(
    entries: list[str], import_map: dict[str, str], read: Callable[[str], str]
) -> list[str]:
    """Return the URLs of these modules and of all that they import, once each.

    `read` returns the content at a URL, or "" if there is none.
    """
    found = list(entries)
    for url in found:
        # Minified code has no lines.
        text = re.sub(r"[;}](?=import\b|export\b)", "\n", read(url))
        for name in IMPORT.findall(text):
            each = resolve(name, url, import_map)
            if each not in found and each and read(each):
                found.append(each)
    return found


def resolve(name: str, base: str, import_map: dict[str, str]) -> str:
    """Return the URL that a module at `base` imports by a name, or ""."""
    if name.startswith((".", "/")):
        return urljoin(base, name)
    if name in import_map:
        return import_map[name]
    folder, slash, rest = name.partition("/")
    start = import_map.get(folder + slash, "")
    return start and start + rest
