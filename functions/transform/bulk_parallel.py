"""Arrays side by side in the bulk decoder, where all of a message have one length.

The definition, one message at a time, is :mod:`functions.transform.shapes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

__all__ = ["are_side_by_side", "readings_side_by_side"]


def are_side_by_side(arrays: Mapping[str, pl.Expr]) -> pl.Expr:
    """True for messages with at least one array, and all of one length.

    An array that is absent has no values.
    """
    sizes = [array.list.len() for array in arrays.values()]
    return (pl.max_horizontal(sizes) == pl.min_horizontal(sizes)).fill_null(value=False)


def readings_side_by_side(
    frame: pl.DataFrame, arrays: Mapping[str, pl.Expr], outer: Sequence[pl.Expr]
) -> tuple[pl.DataFrame, int]:
    """The n-th elements of all arrays as the struct ``r`` of the n-th reading, with ``m``,
    ``index`` and the outer values; and the number of messages whose arrays are empty."""
    size = pl.max_horizontal(array.list.len() for array in arrays.values())
    sized = frame.with_columns(size.alias("size"))
    filled = sized.filter(pl.col("size") > 0)
    columns = {name: f"a{at}" for at, name in enumerate(arrays)}
    lists = filled.select(
        "m",
        "size",
        pl.int_ranges(0, pl.col("size"), dtype=pl.Int64).alias("index"),
        *outer,
        *(array.alias(columns[name]) for name, array in arrays.items()),
    )
    lists = lists.with_columns(_filled(lists[column]).alias(column) for column in columns.values())
    elements = lists.drop("size").explode("index", *columns.values())
    whole = pl.struct(pl.col(column).alias(name) for name, column in columns.items())
    return elements.with_columns(whole.alias("r")), sized.height - filled.height


def _filled(array: pl.Series) -> pl.Expr:
    """The array, of as many nulls as the others have elements where it is absent."""
    column = pl.col(array.name)
    if not array.null_count():
        return column
    inner = array.dtype.inner  # type: ignore[attr-defined]
    nulls = pl.lit(None, dtype=inner).repeat_by("size")
    return pl.when(column.is_null()).then(nulls).otherwise(column)
