"""``etl`` with a control room that gives its sources more time than a person would: the machine is busy.

What a page says of a source that is too slow has tests of its own.
"""

from __future__ import annotations

from dashboard.sources import pipeline, rejected
from etl.cli.main import run

PATIENCE_SECONDS = 120


def main() -> None:
    pipeline.CONNECT_SECONDS = PATIENCE_SECONDS
    pipeline.QUERY_SECONDS = float(PATIENCE_SECONDS)
    rejected.SEARCH_SECONDS = float(PATIENCE_SECONDS)
    run()


if __name__ == "__main__":
    main()
