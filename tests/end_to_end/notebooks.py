"""Execute a notebook for real, and keep what it shows: ``python -m tests.end_to_end.notebooks``.

What is kept reads well on the web and says nothing of the machine: no paths, no warnings, no times of
execution, and of a picture that was drawn again and again the last one.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from local.stack import stop
from tests.fixtures.local import state_folder

FOLDER = Path("notebooks")
CELL_SECONDS = 600
LANGUAGE = {"name": "python"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PATH = re.compile(r"(?<![\w:./<])/(?:home|root|tmp|var|work|usr|opt|Users)/[\w.@ -]+")


def notebooks() -> list[Path]:
    """Every notebook, in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path) -> Any:
    """The notebook after a run from its first cell to its last, against stand-ins of its own.

    Raises ``CellExecutionError`` where a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with state_folder() as state:
        before = os.environ.get("ETL_STATE")
        os.environ["ETL_STATE"] = str(state)
        try:
            resources = {"metadata": {"path": str(FOLDER)}}
            NotebookClient(
                notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources
            ).execute()
        finally:
            os.environ.pop("ETL_STATE")
            if before is not None:
                os.environ["ETL_STATE"] = before
            stop(state)
    return notebook


def tidy(notebook: Any) -> Any:
    """The notebook without what only its run knows."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": LANGUAGE}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [_output(o) for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def _output(output: Any) -> Any:
    if "metadata" in output:
        output.metadata = {}
    output.pop("transient", None)
    return output


def private(notebook: Any) -> list[str]:
    """What the outputs say of the machine; must be empty."""
    text = "\n".join(
        str(dict(output)) for cell in notebook.cells for output in cell.get("outputs", ())
    )
    found = PATH.findall(text)
    host = socket.gethostname()
    return found + ([host] if len(host) > 3 and host in text else [])


def main(names: list[str]) -> None:
    """Execute the notebooks (all, or those named) and write them with their outputs."""
    for path in notebooks():
        if names and path.stem not in names:
            continue
        sys.stdout.write(f"{path}\n")
        sys.stdout.flush()
        notebook = tidy(execute(path))
        found = private(notebook)
        if found:
            raise SystemExit(f"{path} names this machine: {', '.join(sorted(set(found)))}")
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
