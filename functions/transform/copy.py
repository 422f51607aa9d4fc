"""The COPY-ready object: CSV in key order, and where in it each group of rows lies.

PostgreSQL tells NULL from the empty text in CSV by the quotes: nothing at all is NULL, ``""`` is
the empty text. polars writes just that. Texts with a comma, quote or line break are quoted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

import polars as pl

from telemetry.contract import Contract

__all__ = ["copy_csv", "copy_groups", "group_columns"]

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6f+00:00"


def copy_csv(rows: pl.DataFrame) -> bytes:
    """The rows as CSV, without a header."""
    # A line of only \. would end the COPY before PostgreSQL 18; just a table of one column has any.
    style: Literal["non_numeric", "necessary"] = "non_numeric" if rows.width == 1 else "necessary"
    body = io.BytesIO()
    rows.write_csv(
        body, include_header=False, null_value="", quote_style=style, datetime_format=TIME_FORMAT
    )
    return body.getvalue()


def group_columns(contract: Contract) -> tuple[str, ...] | None:
    """Key columns before the timestamp; ``None`` where the key does not end in one."""
    *prefix, last = contract.key
    return tuple(prefix) if contract.column(last).type == "timestamp" else None


def copy_groups(rows: pl.DataFrame, csv: bytes, contract: Contract) -> bytes | None:
    """JSON that tells where the rows of each group lie in ``csv``, in its order.

    A group's rows share all key columns but the timestamp; they lie together, in order of time.
    Offset and length are in bytes. ``None`` where the key has no timestamp to split by.
    """
    prefix = group_columns(contract)
    if prefix is None:
        return None
    time = contract.key[-1]
    ends = _line_ends(csv, rows.height)
    same = pl.all_horizontal(
        pl.lit(value=True), *(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in prefix)
    )
    first = pl.int_range(pl.len()) == 0
    starts = rows.with_columns(starts=~same | first)["starts"].arg_true().to_list()
    keys = rows.select(pl.col(name).cast(pl.String) for name in prefix)
    times = rows[time].dt.strftime(TIME_FORMAT)
    groups: list[dict[str, Any]] = []
    for start, end in pairwise([*starts, rows.height]):
        offset = ends[start - 1] if start else 0
        groups.append(
            {
                "key": list(keys.row(start)) if prefix else [],
                "offset": offset,
                "length": ends[end - 1] - offset,
                "rows": end - start,
                "min_time": times[start],
                "max_time": times[end - 1],
            }
        )
    told = {"columns": list(prefix), "time": time, "groups": groups}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _line_ends(csv: bytes, rows: int) -> Sequence[int]:
    """Byte offset just after each row."""
    lines = csv.split(b"\n")[:-1]
    ends = [at + place for place, at in enumerate(accumulate(map(len, lines)), 1)]
    if len(lines) == rows:
        return ends
    quoted = False
    found = []
    for line, end in zip(lines, ends, strict=True):
        quoted ^= line.count(b'"') % 2 == 1
        if not quoted:  # a line break within quotes does not end the row
            found.append(end)
    return found
