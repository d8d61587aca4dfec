"""The settings: values, bounds and former names."""

import re
from typing import get_args

import pytest
from pydantic import ValidationError

from shared.app import CheckedSettings
from shared.former_settings import RENAMED
from shared.settings import ROOT, Settings


def test_settings_example_documents_each_setting() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    documented = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    fields = [name.upper() for name in Settings.model_fields]
    assert sorted(documented) == sorted(fields)


def test_settings_example_is_valid_and_changes_nothing() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    assert not [line for line in lines if line and not line.startswith("#")]
    given = [line[1:] for line in lines if re.match("#[A-Z_]+=.", line)]
    values = {
        name.lower(): value
        for name, value in (line.split("=", 1) for line in given)
    }
    assert CheckedSettings(_env_file=None, **values).port == 1999  # type: ignore


def test_settings_refuse_numbers_out_of_bounds() -> None:
    numeric = {
        name
        for name, field in Settings.model_fields.items()
        if {int, float} & {field.annotation, *get_args(field.annotation)}
    }
    assert "graceful_timeout" in numeric
    for value in ("inf", "nan", "-inf", "-1", "1e400", "1" + 30 * "0"):
        with pytest.raises(ValidationError) as wrong:
            Settings(_env_file=None, **dict.fromkeys(numeric, value))  # type: ignore
        assert {error["loc"][0] for error in wrong.value.errors()} == numeric


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "/app/parties"),
        ("parties.example:2000", "//parties.example:2000/parties"),
        ("https://parties.example", "wss://parties.example/parties"),
        ("http://parties.example/b/", "ws://parties.example/b/parties"),
        ("ws://[::1]:2000", "ws://[::1]:2000/parties"),
        ("example.org:65536", None),
        ("ftp://example.org", None),
        ("https://", None),
        ("//example.org", None),
        ("example.org?x", None),
        ("a b", None),
    ],
)
def test_settings_party_host_becomes_a_url_or_is_refused(
    host: str, url: str | None
) -> None:
    settings = {"public_url": "https://example.org/app/", "party_host": host}
    if url:
        found = CheckedSettings(_env_file=None, **settings)  # type: ignore
        assert found.parties_url == url
    else:
        with pytest.raises(ValueError, match="give a host, as in"):
            CheckedSettings(_env_file=None, **settings)  # type: ignore


def test_settings_former_names_lead_to_settings() -> None:
    fields = {name.upper() for name in Settings.model_fields}
    assert set(RENAMED.values()) <= fields
    assert not RENAMED.keys() & fields
