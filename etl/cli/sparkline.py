"""A series of numbers as one line of text, with one character for each number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from etl.operations.metrics import Series

__all__ = ["sparkline", "values_per_period"]

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = " "


def sparkline(values: Sequence[float | None]) -> str:
    """The values as blocks, scaled from zero (or a negative minimum) to the maximum.

    ``None`` is a gap.
    """
    known = [value for value in values if value is not None]
    least, most = min([0.0, *known]), max(known, default=0.0)
    height = (most - least) or 1.0
    return "".join(
        NOTHING if value is None else BLOCKS[round((value - least) / height * (len(BLOCKS) - 1))]
        for value in values
    )


def values_per_period(series: Series, since: datetime, until: datetime) -> list[float | None]:
    """The value of each period from ``since`` to ``until``; ``None`` for one without data."""
    step = timedelta(seconds=series.period)
    first = since.timestamp() // series.period
    count = max(1, int((until - since) / step) + 1)
    values: list[float | None] = [None] * count
    for point in series.points:
        place = int(point.time.timestamp() // series.period - first)
        if 0 <= place < count:
            values[place] = point.value
    return values
