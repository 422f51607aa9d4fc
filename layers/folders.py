"""Where the product's files are, and where it keeps what it builds: in a clone, or installed.

::

                 in a clone            installed from a wheel
    ROOT         the repository        site-packages/etl/_packages, laid out as the repository
    BUILD        .build                <cache>/build
    environment  .emulator-venv, ...   <cache>/emulator-<hash of its lock file>, ...

The cache is ``telemetry-etl`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``. It may be deleted
while nothing runs: `etl up` makes it again.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

__all__ = ["BUILD", "INSTALLED", "ROOT", "child_environment", "environment_folder"]

ROOT = Path(__file__).resolve().parents[1]
"""Folder with ``contracts``, ``docs``, ``functions``, ``layers`` and the other packages."""
INSTALLED = (ROOT.parent.name, ROOT.name) == ("etl", "_packages")
"""True where the product was installed from a wheel."""


def _cache() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(chosen) if os.path.isabs(chosen) else Path.home() / ".cache"
    return base / "telemetry-etl"


BUILD = _cache() / "build" if INSTALLED else ROOT / ".build"
"""Layers, zips and unpacked layers; each is named by its contents."""


def environment_folder(name: str) -> Path:
    """Folder of a Python environment beside our own, whose lock file is ``requirements/NAME.txt``.

    An installed tool has one for each version of the lock file and of Python.
    """
    if not INSTALLED:
        return ROOT / f".{name}-venv"
    digest = hashlib.sha256(f"{sys.version_info[:2]}\n{sys.base_prefix}\n".encode())
    digest.update((ROOT / "requirements" / f"{name}.txt").read_bytes())
    return _cache() / f"{name}-{digest.hexdigest()[:12]}"


def child_environment() -> dict[str, str]:
    """Variables for a Python process that we start: an installed one must find our packages."""
    if not INSTALLED:
        return dict(os.environ)
    search = [str(ROOT), str(ROOT / "layers" / "shared"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))}
