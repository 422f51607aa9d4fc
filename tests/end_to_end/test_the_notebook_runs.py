"""The notebook is executed for real, cell by cell, against stand-ins of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from local.stack import stop
from tests.fixtures.local import state_folder

NOTEBOOK = Path("notebooks/build_and_run.ipynb")


def test_the_notebook_runs_from_its_first_cell_to_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with state_folder() as state:
        monkeypatch.setenv("ETL_STATE", str(state))
        try:
            NotebookClient(
                notebook, timeout=200, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
            ).execute()
        finally:
            stop(state)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
