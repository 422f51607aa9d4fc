"""Notebooks, also that of a new project, import public names alone: they fit later versions, too."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from etl.reference.public_names import PUBLIC_MODULES

NOTEBOOKS = [
    *sorted(Path("notebooks").glob("*.ipynb")),
    Path("etl/new_project/files/notebook.ipynb"),
]
OURS = {path.parent.name for path in Path().glob("*/__init__.py")} | {"telemetry"}


def imports(source: str) -> Iterator[tuple[str, str]]:
    """Module and name of each import from this product; an empty name for a whole module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found = [(str(node.module), one.name) for one in node.names]
        elif isinstance(node, ast.Import):
            found = [(one.name, "") for one in node.names]
        else:
            continue
        yield from (one for one in found if one[0].partition(".")[0] in OURS)


def code(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_a_notebook_imports_public_names_alone(path: Path) -> None:
    found = list(imports(code(path)))
    assert found, "nothing was looked at"
    internal = [
        (module, name)
        for module, name in found
        if module not in PUBLIC_MODULES or name not in import_module(module).__all__
    ]
    assert internal == []


def test_an_internal_name_is_found() -> None:
    assert {"etl", "workflow", "local", "layers", "telemetry"} <= OURS
    source = "import etl.workflow\nif 1:\n    from local.stack import read\nimport polars\n"
    assert list(imports(source)) == [("etl.workflow", ""), ("local.stack", "read")]
