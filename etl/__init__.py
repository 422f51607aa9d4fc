"""Device telemetry over MQTT into PostgreSQL: what the ``etl`` command does.

In a wheel the packages that ``etl`` uses lie in ``etl/_packages``, so that they take no general
names such as ``functions`` in the user's site-packages. Importing ``etl`` puts that folder first on
the path. In a clone there is no such folder, and they are found beside ``etl``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("telemetry", "layers", "functions", "workflow", "infrastructure", "local", "dashboard")


def _add_packages(folder: Path) -> None:
    """Put the packages of a wheel on the path. Raises ``ImportError`` where a name is taken."""
    sys.path[:0] = [str(folder), str(folder / "layers" / "shared")]
    importlib.invalidate_caches()
    for name in PACKAGES:
        file = _file_of(name)
        if file is None or not Path(file).resolve().is_relative_to(folder.resolve()):
            raise ImportError(
                f"telemetry-etl needs its own package '{name}', but another one of that name comes "
                f"first: {file or 'one without a file'}. Import etl before it, or install "
                "telemetry-etl in an environment of its own (pipx install telemetry-etl)."
            )


def _file_of(name: str) -> str | None:
    """File of the package that is imported under a name, or would be."""
    if name in sys.modules:
        module = sys.modules[name]
        folders = iter(getattr(module, "__path__", ()))
        return getattr(module, "__file__", None) or next(folders, None)
    found = importlib.util.find_spec(name)
    return found.origin if found is not None else None


if (_folder := Path(__file__).parent / "_packages").is_dir():
    _add_packages(_folder)
