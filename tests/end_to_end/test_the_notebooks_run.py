"""The notebooks are executed for real, cell by cell, each against stand-ins of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.end_to_end.notebooks import execute, notebooks, private, tidy


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path: Path) -> None:
    executed = execute(path)
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    committed = nbformat.read(path, as_version=4)
    kinds = [_kinds(cell) for cell in tidy(executed).cells]
    assert kinds == [_kinds(cell) for cell in committed.cells], "make notebooks"


def _kinds(cell: nbformat.NotebookNode) -> list[list[str]]:
    """What a cell shows: text, a table, a picture."""
    return [sorted(output.get("data", {"text/plain": ""})) for output in cell.get("outputs", ())]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_committed_notebook_reads_well_without_running_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert private(notebook) == []
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == list(
        range(1, sum(cell.cell_type == "code" for cell in notebook.cells) + 1)
    )
