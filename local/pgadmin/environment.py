"""pgAdmin's own Python environment, made on first use: it is large, and few need it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from layers.folders import INSTALLED, ROOT, environment_folder
from local import environments
from telemetry.errors import UserError

__all__ = ["InstallationError", "ensure", "program", "python"]

_NAME = "pgadmin"
_STAMP = f".{_NAME}-venv/.done"
_STEPS = (
    ["-r", "pgadmin-build.txt"],
    [
        "--no-build-isolation",
        "--only-binary",
        ":all:",
        "--no-binary",
        "flask-principal,jsonformatter",
        "-r",
        "pgadmin.txt",
    ],
)
"""Options of pip, as the Makefile has them; it says why."""


class InstallationError(UserError):
    """Raised when pgAdmin can't be installed; the message quotes what went wrong."""


def python() -> Path:
    """The interpreter that has pgAdmin."""
    return environment_folder(_NAME) / "bin" / "python"


def program(name: str) -> Path:
    """One of pgAdmin's programs, such as ``setup.py``. Raises :class:`InstallationError`."""
    found = next(python().parents[1].glob(f"lib/python3*/site-packages/pgadmin4/{name}"), None)
    if found is None:
        raise InstallationError(
            "pgAdmin's environment is incomplete: remove the folder "
            f"{environment_folder(_NAME).name if not INSTALLED else environment_folder(_NAME)} "
            "and try again."
        )
    return found


def ensure(notify: Callable[[str], None]) -> None:
    """Install pgAdmin unless the version of the lock file is installed already.

    Raises :class:`InstallationError`. The Makefile does the work, but for an installed tool.
    """
    if INSTALLED:
        text = "installing pgAdmin 4, only once: 600 MB, 1 to 3 minutes"
        environments.ensure(_NAME, _STEPS, lambda: notify(text))
        return
    make = shutil.which("make")
    if make is None:
        raise InstallationError("pgAdmin is installed by make, which this machine does not have.")
    command = [make, "--no-print-directory", "-C", str(ROOT), f"PYTHON={sys.executable}"]
    # `make pgadmin` must not hand its own flags down to the make below it.
    clean = {name: v for name, v in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], env=clean, capture_output=True, text=True, check=False
        )

    if run("--question", _STAMP).returncode != 0:
        notify("installing pgAdmin 4 into .pgadmin-venv, only once: 600 MB, 1 to 3 minutes")
        done = run(_STAMP)
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise InstallationError(f"pgAdmin could not be installed:\n{tail}")
