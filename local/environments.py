"""Python environments of an installed tool's own, in the user's cache folder, with pins.

In a clone the Makefile makes them. Here one is made when it is first needed: hashes are demanded,
and one that was interrupted is made again from the beginning.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence

from layers.folders import ROOT, environment_folder
from telemetry.errors import UserError

__all__ = ["EnvironmentBuildError", "ensure"]

_STAMP = ".done"


class EnvironmentBuildError(UserError):
    """Raised when an environment can't be made; the message quotes pip."""


def ensure(name: str, steps: Sequence[Sequence[str]], starting: Callable[[], None]) -> None:
    """Make the environment of this name unless it is complete; two callers make it once.

    ``steps`` are options of one ``pip install`` each; the lock files that they name lie in
    ``requirements``. ``starting`` is called before the work. Raises :class:`EnvironmentBuildError`.
    """
    folder = environment_folder(name)
    if (folder / _STAMP).exists():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / _STAMP).exists():
                return
            starting()
            shutil.rmtree(folder, ignore_errors=True)
            # Without pip of its own: ours installs into it, which also works where the machine's
            # Python lacks ensurepip.
            venv.create(folder, symlinks=True, with_pip=False)
            for options in steps:
                _install(name, options)
            (folder / _STAMP).touch()
    except OSError as error:
        raise EnvironmentBuildError(
            f"The environment {folder} can't be made: {error.strerror or error}. XDG_CACHE_HOME "
            "names another folder for it."
        ) from error


def _install(name: str, options: Sequence[str]) -> None:
    python = environment_folder(name) / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command += ["--quiet", "install", "--require-hashes", *options]
    done = subprocess.run(
        command, cwd=ROOT / "requirements", capture_output=True, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise EnvironmentBuildError(f"The {name} environment could not be made:\n{tail}")
