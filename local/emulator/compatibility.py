"""Checks that the installed MiniStack is the one the patches were written for.

A patch replaces functions that MiniStack does not document. Each patch module lists the names it
uses, replaces or wraps in a table ``RELIES_ON``: dotted, below ``ministack``, a key of a mapping in
brackets. The tables are read from the source, because a module whose names are missing can't be
imported.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["PINNED", "incompatibility", "missing_names", "relied_on"]

PINNED = "1.5.33"
PATCHES = Path(__file__).parent / "patches"


def incompatibility(pinned: str = PINNED, names: Iterable[str] | None = None) -> str | None:
    """A sentence that says how the installed MiniStack differs from what the patches need.

    ``None`` where its version is the pinned one and it has every name.
    """
    try:
        installed = version("ministack")
    except PackageNotFoundError:
        return _sentence(pinned, "has none")
    missing = missing_names(relied_on() if names is None else names)
    if installed == pinned and not missing:
        return None
    found = f"has {installed}" if installed != pinned else "has a changed one"
    if missing:
        found += f" without {', '.join(missing)}"
    return _sentence(pinned, found)


def _sentence(pinned: str, found: str) -> str:
    return (
        f"The emulator's patches need ministack {pinned}, but its environment {found}: run `make` "
        "to install requirements/emulator.txt, or adapt local/emulator/patches to that version."
    )


def relied_on(folder: Path = PATCHES) -> list[str]:
    """Every name that a patch relies on, sorted, each once."""
    found: set[str] = set()
    for file in folder.glob("*.py"):
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and _assigns(statement, "RELIES_ON"):
                found.update(ast.literal_eval(statement.value))
    return sorted(found)


def _assigns(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in statement.targets)


def missing_names(names: Iterable[str], package: str = "ministack") -> list[str]:
    """The names that the installed package does not have."""
    return [f"{package}.{name}" for name in names if not _exists(package, name)]


def _exists(package: str, name: str) -> bool:
    path, _, key = name.removesuffix("]").partition("[")
    try:
        found = _resolve(package, path.split("."))
    except (ImportError, AttributeError):
        return False
    return not key or (isinstance(found, Mapping) and key in found)


def _resolve(package: str, path: list[str]) -> Any:
    """The object at the end of the path, whose first parts are modules."""
    found: Any = importlib.import_module(package)
    for depth, part in enumerate(path, start=1):
        if not hasattr(found, part):
            importlib.import_module(".".join([package, *path[:depth]]))
        found = getattr(found, part)
    return found
