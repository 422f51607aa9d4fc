"""A project of one's own: the folder with ``pipeline.toml``, found from any folder below it.

In a project the local stack is kept in ``.etl``, its stack is named as the settings say, and `etl
up` runs the contracts that they name. The clone of this product is not one: there everything stays
in ``.local``, whether it has a ``pipeline.toml`` or not.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from layers.folders import INSTALLED, ROOT

__all__ = ["SETTINGS_NAME", "STATE_NAME", "Project", "find_project"]

SETTINGS_NAME = "pipeline.toml"
STATE_NAME = ".etl"
EARLIER_STATE_NAME = ".local"


@dataclass(frozen=True)
class Project:
    """One project; paths are relative to the working directory, as they are printed."""

    folder: Path

    @property
    def settings_file(self) -> Path:
        """The settings file."""
        return self.folder / SETTINGS_NAME

    @property
    def state(self) -> Path:
        """Folder of the local stack; one that was begun in ``.local`` stays there."""
        now, earlier = self.folder / STATE_NAME, self.folder / EARLIER_STATE_NAME
        return earlier if earlier.is_dir() and not now.exists() else now

    @property
    def stack(self) -> str | None:
        """Name of the stack, or ``None`` where the settings don't say or can't be read.

        What is wrong with them is reported by the commands that need more of them.
        """
        try:
            document = tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        name = document.get("stack")
        return name if isinstance(name, str) and name else None


def find_project(start: Path | None = None) -> Project | None:
    """The project that a folder is in, by default the working directory; ``None`` outside one."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if not INSTALLED and folder == ROOT:
            return None
        if (folder / SETTINGS_NAME).is_file():
            return Project(folder if start else Path(os.path.relpath(folder, here)))
    return None
