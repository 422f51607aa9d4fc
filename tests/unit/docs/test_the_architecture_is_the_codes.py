"""docs/architecture.md draws the packages as import-linter holds them, and lists each of them.

UPDATE_GOLDEN=1 draws the picture again.
"""

from __future__ import annotations

import os
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = re.compile(r"(<!-- packages: .*? -->\n).*?(<!-- end of packages -->)", re.DOTALL)
FOLDERS = {
    "telemetry": "layers/shared/telemetry/",
    "etl.notebook": "etl/notebook.py",
    "etl.workflow": "etl/workflow.py",
}
"""Where a package's folder is not its name."""


def layers() -> list[list[str]]:
    """The layers of the import contract, the highest first; each is one or several packages."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (found,) = [one["layers"] for one in contracts if one["type"] == "layers"]
    return [[name.strip(" ()") for name in re.split(r"[|:]", layer)] for layer in found]


def drawn(found: list[list[str]]) -> str:
    lines = ["```mermaid", "flowchart TB"]
    lines += [f'    {node(name)}["{name}"]' for layer in found for name in layer]
    lines += [
        f"    {' & '.join(map(node, upper))} --> {' & '.join(map(node, lower))}"
        for upper, lower in pairwise(found)
    ]
    return "\n".join([*lines, "```", ""])


def node(name: str) -> str:
    return name.replace(".", "_")


def test_the_picture_is_of_the_import_contract() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = PICTURE.sub(lambda found: found[1] + drawn(layers()) + found[2], page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(wanted, encoding="utf-8")
        page = wanted
    assert PICTURE.search(page)
    assert page == wanted, (
        "The layers have changed: UPDATE_GOLDEN=1 draws docs/architecture.md again."
    )


@pytest.mark.parametrize("name", [name for layer in layers() for name in layer])
def test_each_package_is_a_folder_of_the_table(name: str) -> None:
    folder = FOLDERS.get(name, name.replace(".", "/") + "/")
    assert (ROOT / folder).exists()
    assert f"\n| `{folder}` |" in PAGE.read_text(encoding="utf-8")


def test_a_picture_with_another_arrow_would_be_noticed() -> None:
    assert drawn([["a"], ["b", "c.d"]]).splitlines()[-2] == "    a --> b & c_d"
