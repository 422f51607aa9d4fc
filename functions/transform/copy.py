"""The COPY-ready object: CSV in key order, and the byte range of each group of rows.

In CSV, PostgreSQL distinguishes NULL from the empty text by the quotes: nothing is NULL, ``""`` is
the empty text. polars writes just that. Texts with a comma, quote or line break are quoted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

import polars as pl

from functions.transform.timestamps import looked_up
from telemetry.contract import Contract

__all__ = ["copy_csv", "copy_groups", "group_columns"]

GROUP_ROWS = 256
"""Most rows of a group: Load looks into each line of a group whose time meets loaded rows."""
GAP = 8
"""A group ends where the next row is this many times the usual interval away: a few late rows in
front of the newest would else make a group that spans all that was loaded between."""
SECONDS_FORMAT, FRACTION_FORMAT = "%Y-%m-%dT%H:%M:%S", "%.6f+00:00"
TIME_FORMAT = SECONDS_FORMAT + FRACTION_FORMAT
A_SECOND = 10**6
"""Microseconds of a second."""


def copy_csv(rows: pl.DataFrame) -> bytes:
    """The rows as CSV, without a header."""
    # A line of only \. would end the COPY before PostgreSQL 18; just a table of one column has any.
    style: Literal["non_numeric", "necessary"] = "non_numeric" if rows.width == 1 else "necessary"
    body = io.BytesIO()
    columns = [_spelled(c) if isinstance(c.dtype, pl.Datetime) else c for c in rows.get_columns()]
    pl.DataFrame(columns).write_csv(
        body, include_header=False, null_value="", quote_style=style, datetime_format=TIME_FORMAT
    )
    return body.getvalue()


def _spelled(moments: pl.Series) -> pl.Series:
    """Times as text, if they or their seconds repeat: then each is spelled once, which is what
    takes the time."""
    once = moments.unique()
    if 2 * once.len() > moments.len():
        return _spelled_in_parts(moments)
    return looked_up(moments, once, once.dt.strftime(TIME_FORMAT))


def _spelled_in_parts(moments: pl.Series) -> pl.Series:
    """Times as text, of their seconds and the fractions of these, if both repeat."""
    micros = moments.cast(pl.Datetime("us")).cast(pl.Int64)
    seconds = micros // A_SECOND
    texts = []
    for part, scale, form in (
        (seconds, A_SECOND, SECONDS_FORMAT),
        (micros - seconds * A_SECOND, 1, FRACTION_FORMAT),
    ):
        once = part.unique()
        if 2 * once.len() > part.len():
            return moments
        spelled = (once * scale).cast(pl.Datetime("us")).dt.strftime(form)
        texts.append(looked_up(part, once, spelled).alias(form))
    return pl.DataFrame(texts).select(pl.concat_str(pl.all()).alias(moments.name)).to_series()


def group_columns(contract: Contract) -> tuple[str, ...] | None:
    """Key columns before the timestamp; ``None`` where the key does not end in one."""
    *prefix, last = contract.key
    return tuple(prefix) if contract.column(last).type == "timestamp" else None


def copy_groups(rows: pl.DataFrame, csv: bytes, contract: Contract) -> bytes | None:
    """JSON with the byte range of each group of rows in ``csv``, in its order.

    A group's rows share all key columns but the timestamp; they are contiguous, in order of time,
    and are :data:`GROUP_ROWS` at most, without a wide gap. Offset and length are in bytes.
    ``None`` where the key has no timestamp to split by.
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
    interval = pl.when(same & ~first).then(pl.col(time).diff())
    gap = (interval > GAP * interval.median()).fill_null(value=False)
    starts = rows.with_columns(starts=~same | first | gap)["starts"].arg_true().to_list()
    keys = rows.select(_key_text(rows[name]) for name in prefix)
    groups: list[dict[str, Any]] = []
    cuts = [
        cut
        for start, end in pairwise([*starts, rows.height])
        for cut in range(start, end, GROUP_ROWS)
    ]
    bounds = pl.Series([*cuts, rows.height], dtype=pl.Int64)
    least = rows[time].gather(bounds.head(-1)).dt.strftime(TIME_FORMAT)
    most = rows[time].gather(bounds.tail(-1) - 1).dt.strftime(TIME_FORMAT)
    for place, (start, end) in enumerate(pairwise(bounds)):
        offset = ends[start - 1] if start else 0
        groups.append(
            {
                "key": list(keys.row(start)) if prefix else [],
                "offset": offset,
                "length": ends[end - 1] - offset,
                "rows": end - start,
                "min_time": least[place],
                "max_time": most[place],
            }
        )
    content = {"columns": list(prefix), "time": time, "groups": groups}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _key_text(values: pl.Series) -> pl.Series:
    """Values of a key column as texts that PostgreSQL reads back."""
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime(TIME_FORMAT)
    return values.cast(pl.String)


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
