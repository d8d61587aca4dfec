"""Which modules a page loads: with all that they import, and where from."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

IMPORT = re.compile(
    r"""^[^\S\n]*(?:import|export)\b(?:[^"'();=]*\bfrom)?\s*["']([^"']+)["']""",
    re.M,
)
"""What a module imports before it runs; `import(…)` is for later."""


def modules(
    entries: list[str], names: dict[str, str], read: Callable[[str], str]
) -> list[str]:
    """The URLs of these modules, and of all that they import, each once.

    `names` is the import map; `read` gives what is at a URL, "" for nothing.
    """
    found = list(entries)
    for url in found:
        # Minified code has no lines.
        text = re.sub(r"[;}](?=import\b|export\b)", "\n", read(url))
        for name in IMPORT.findall(text):
            each = resolve(name, url, names)
            if each not in found and each and read(each):
                found.append(each)
    return found


def resolve(name: str, base: str, names: dict[str, str]) -> str:
    """The URL that a module at `base` means by a name; "" for none."""
    if name.startswith((".", "/")):
        return urljoin(base, name)
    if name in names:
        return names[name]
    folder, slash, rest = name.partition("/")
    start = names.get(folder + slash, "")
    return start and start + rest
