"""Check the app for `make doctor`: `python -m tools.doctor_checks`, in .venv.

It prints lines of JSON, each as soon as it is known: where the app would
listen, and then findings.
"""

import asyncio

# All that a stage without an AI imports.
from shared import serve  # noqa: F401
from shared.ai.replay import recordings
from shared.settings import settings

from .doctor_ai import check_model
from .doctor_settings import read_settings
from .finding import Finding, ok, print_json, wrong

SCRIPT = recordings.DEMO_REPLIES
"""The replies that `make present` has, without a key."""


def main() -> None:
    findings = read_settings()
    levels = [finding.level for finding in findings]
    print_json(listening() if "WRONG" not in levels else {})
    print_json(*findings, check_recordings())
    if "WRONG" not in levels:
        asyncio.run(check_model())


def listening() -> dict[str, object]:
    """Return the address, as `doctor.read_settings` does without packages."""
    return {
        "host": settings().bind_host,
        "port": settings().port,
        "public_url": settings().public_url,
    }


def check_recordings() -> Finding:
    """Check that there is something to play back."""
    try:
        found = recordings.read_recordings(SCRIPT)
    except ValueError as error:
        return wrong(f"recordings: {error}", f"git checkout {SCRIPT}")
    played = recordings.describe_recordings(found)
    return ok(
        "recordings: without a key or Ollama, make present plays "
        f"{played}; {recordings.NO_OTHERS}"
    )


if __name__ == "__main__":
    main()
