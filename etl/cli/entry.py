"""The ``etl`` script.

Its commands take most of a second to be imported, and Ctrl-C in that second must end it as quietly
as it does later: so everything is imported within :func:`run`.
"""

from __future__ import annotations

import sys

__all__ = ["run"]

INTERRUPTED = 130
"""Exit status of what SIGINT has ended, as shells have it: 128 and the signal's number."""


def run() -> None:
    """Entry point of the ``etl`` script."""
    try:
        from etl.cli import main

        main.run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
