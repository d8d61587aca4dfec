"""The layers of `shared`: its imports run one way, and in no circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from shared.settings import ROOT

LAYERS = [
    {"party"},
    {"former_settings"},
    {"settings"},
    {"chat"},
    {"ai"},
    {"web"},
    {"presenter", "whats_new"},
    {"app"},
    {"file_descriptors", "supervisor"},
    {"serve"},
]
"""From the lowest up; a module imports from lower layers and from its own
folder."""

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted((ROOT / "shared").rglob("*.py"))
}


def imported(name: str, path: Path) -> Iterator[str]:
    """Yield the modules of `shared` that one imports, for its types too."""
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.ImportFrom):
            depth = len(package) + 1 - node.level
            start = package[:depth] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            found = [f"{base}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            found = [each.name for each in node.names]
        for each in found:
            if each.split(".")[0] == "shared":
                yield module_of(each)


def module_of(name: str) -> str:
    """Return the module that has a name, which may be one itself."""
    while name not in FILES:
        if f"{name}.__init__" in FILES:
            return f"{name}.__init__"
        name, _, _ = name.rpartition(".")
    return name


def layer(module: str) -> int:
    """Return the place of a module's folder, or of a module, in LAYERS."""
    name = module.split(".")[1]
    return next(i for i, names in enumerate(LAYERS) if name in names)


IMPORTS = {name: set(imported(name, path)) for name, path in FILES.items()}


def test_imports_run_from_upper_to_lower_layers() -> None:
    assert len(IMPORTS) > 50
    wrong = [
        f"{name} imports {each}"
        for name, modules in IMPORTS.items()
        for each in modules
        if name != "shared.__init__"
        and name.split(".")[1] != each.split(".")[1]
        and layer(each) >= layer(name)
    ]
    assert wrong == []


def test_imports_have_no_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_the_reading_of_imports_sees_types_and_packages() -> None:
    assert "shared.party.__init__" in IMPORTS["shared.chat.messages"]
    assert "shared.settings" in IMPORTS["shared.web.origins"]
    assert module_of("shared.party.limits.Limits") == "shared.party.limits"
