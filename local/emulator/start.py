"""The program the launcher starts, in the emulator's environment: patch MiniStack, then run it.

Exits with status 3 and one sentence where the environment holds another MiniStack than the patches
were written for: a patch that silently misses its target would be worse than no emulator.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Check the installed MiniStack, apply every patch, and serve until SIGTERM."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.argv = ["ministack"]
    from local.emulator.compatibility import incompatibility

    problem = incompatibility()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        raise SystemExit(3)
    from ministack import app

    from local.emulator import patches

    patches.apply()
    app.main()


if __name__ == "__main__":
    main()
