"""SenML records in the bulk decoder: base values filled in, by the column.

The definition, one message at a time, is :mod:`functions.transform.shapes`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from functions.transform.shapes import BASE, RELATIVE_BELOW, SENML_VALUES

__all__ = ["odd_records", "resolved_records"]

SECONDS = r"^-?[0-9]{1,15}$"


def odd_records(lists: pl.DataFrame) -> pl.DataFrame:
    """``m`` of SenML records that need exact sums, or the time of arrival."""
    sized = lists.filter(pl.col("r").list.len() > 0)
    records = sized.explode("r").filter(pl.col("r").is_not_null())
    unsure = pl.any_horizontal(
        pl.any_horizontal(_of(name).is_not_null() for name in ("bv", "bs")),
        *(~_of(name).str.contains(SECONDS) for name in ("bt", "t")),
    )
    odd = records.filter(unsure.fill_null(value=False)).select("m")
    none = sized.filter(pl.col("r").list.eval(pl.element().is_null()).list.any()).select("m")
    sure = records.join(odd, on="m", how="anti")
    relative = sure.filter(_time() < RELATIVE_BELOW).select("m")
    return pl.concat([odd, none, relative])


def resolved_records(records: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    """SenML records with their base values, as :mod:`shapes` has it; base records are left out.

    ``wanted`` are the base values that the contract takes by name.
    """
    names = [_based("bn"), _of("n")]
    name = pl.when(pl.any_horizontal(part.is_not_null() for part in names)).then(
        pl.concat_str(*(part.fill_null("") for part in names))
    )
    unit = pl.coalesce(_of("u"), _based("bu"))
    resolved = {"n": name, "u": unit, "t": _time().cast(pl.String)}
    resolved |= {name: _based(name) for name in wanted}
    base = pl.any_horizontal(_of(name).is_not_null() for name in BASE)
    value = pl.any_horizontal(_of(name).is_not_null() for name in SENML_VALUES)
    records = records.with_columns(
        (value | ~base).alias("kept"), *(found.alias(f"r.{key}") for key, found in resolved.items())
    )
    resolved = {key: pl.col(f"r.{key}") for key in resolved}
    rest = [
        _of(field).alias(field)
        for field in records.schema["r"].to_schema()  # type: ignore[attr-defined]
        if field not in resolved
    ]
    whole = pl.struct(*rest, *(found.alias(key) for key, found in resolved.items()))
    return records.filter("kept").with_columns(whole.alias("r"))


def _of(name: str) -> pl.Expr:
    return pl.col("r").struct.field(name)


def _based(name: str) -> pl.Expr:
    return _of(name).forward_fill().over("m")


def _time() -> pl.Expr:
    base, own = _based("bt").cast(pl.Int64), _of("t").cast(pl.Int64)
    return base.fill_null(0) + own.fill_null(0)
