"""The generated pages are what the code is now. UPDATE_GOLDEN=1, or `make reference`, writes them."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from etl.reference.layout import layout_page
from etl.reference.pages import DOCS, PAGES
from etl.reference.tables import (
    LEDGER_COLUMNS,
    RETENTION_COLUMNS,
    ledger_columns,
    retention_columns,
)
from etl.reference.tuning import TUNING
from telemetry import layout


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    path, text = DOCS / name, PAGES[name]()
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, (
        f"docs/{name} is not what the code says now. Where the change is meant, run "
        "`make reference` and review the difference."
    )


def test_every_column_of_the_ledger_is_explained() -> None:
    assert [name for name, _ in ledger_columns()] == list(LEDGER_COLUMNS)
    assert [name for name, _ in retention_columns()] == list(RETENTION_COLUMNS)


def test_every_kind_of_object_is_on_the_page() -> None:
    kinds = re.findall(r"^    (\w+)/", layout.__doc__ or "", re.MULTILINE)
    assert len(kinds) > 7
    assert [kind for kind in kinds if f"| `{kind}/" not in layout_page()] == []


def test_every_number_that_tunes_a_function_is_explained() -> None:
    """Those that the template writes itself are parameters, and so explained there."""
    from_parameters = {"MAX_CONCURRENCY", "TOLERATED_FAILURE_SHARE", "LOADER_CONNECTIONS"}
    found = set()
    for file in Path("functions").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"number", "whole_number"}
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(node.args[0].value)
    assert found - from_parameters == {each.name for each in TUNING}
