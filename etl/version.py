"""The product's version."""

from __future__ import annotations

from importlib.metadata import version

from layers.folders import INSTALLED, ROOT

__all__ = ["product_version"]


def product_version() -> str:
    """The version: of the installed distribution, or of the clone's ``pyproject.toml``.

    An editable install remembers the version that it was made at.
    """
    if INSTALLED:
        return version("telemetry-etl")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])
