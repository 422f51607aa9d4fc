"""The notebook is executed for real, cell by cell, against its own stand-ins."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from local.stack import stop

NOTEBOOK = Path("notebooks/build_and_run.ipynb")


@pytest.mark.timeout(240)
def test_the_notebook_runs_from_its_first_cell_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("ETL_STATE", str(state))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    try:
        NotebookClient(
            notebook, timeout=200, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        ).execute()
    finally:
        stop(state)
    executed = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in executed)
