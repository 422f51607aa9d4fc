"""The program the launcher starts, in the emulator's environment: patch MiniStack, then run it.

Exits with status 3 and one line where the environment holds another version than the patches were
written for: a patch that silently misses its target would be worse than no emulator.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PINNED = "1.5.33"


def check_version() -> None:
    """Exit with a message unless MiniStack is the version the patches are for."""
    try:
        found = version("ministack")
    except PackageNotFoundError:
        found = "none"
    if found != PINNED:
        sys.stderr.write(
            f"The emulator's patches are for ministack {PINNED}; this environment has {found}.\n"
            "Install requirements/emulator.txt into it (`make` does), or adapt the patches in "
            "local/emulator/patches to that version and change PINNED in local/emulator/start.py.\n"
        )
        raise SystemExit(3)


def main() -> None:
    """Check the version, apply every patch, and serve until SIGTERM."""
    check_version()
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.argv = ["ministack"]
    from ministack import app

    from local.emulator import patches

    patches.apply()
    app.main()


if __name__ == "__main__":
    main()
