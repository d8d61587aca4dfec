"""Settings that are lists of hosts or of sites, written with commas."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from .doors import Doors


def split(text: object) -> object:
    """Read a list; what is one already stays as it is."""
    if not isinstance(text, str):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def only_hosts(hosts: list[str]) -> list[str]:
    """Take names that a browser could ask for, and no `*` alone."""
    Doors(hosts=hosts)
    return hosts


def only_sites(origins: list[str]) -> list[str]:
    """Take no "null", which is what any site can say that it is."""
    Doors(origins=origins)
    return origins


Listed = Annotated[list[str], NoDecode, BeforeValidator(split)]
Hosts = Annotated[Listed, AfterValidator(only_hosts)]
Sites = Annotated[Listed, AfterValidator(only_sites)]
