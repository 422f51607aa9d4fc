"""The figures of a rollup: how they are computed from rows, and from finer figures.

Kept are figures that can be put together again (counts, sums, extremes); shown are those that
people ask for (averages, shares). Texts, times and JSON have none: what one would want of them
(how many different ones, which most often) can't be put together from parts.

PostgreSQL refuses a sum or quotient of doubles whose result is too large, or so small that it
becomes 0, with an error: one extreme reading would make each query of its hour fail. Therefore:

* Sums of doubles are kept divided by 2^64, which is exact for all values but those nearer to 0
  than :data:`TINY`. Those count as 0 in the sum, and as themselves in count, least and greatest.
* An average is never outside of the least and the greatest value, as rounding could make it.

So every set of finite doubles has an average, off by :data:`TINY` at most beside the rounding of
a sum. Infinity and NaN, which Transform rejects, stay what they are where a person writes them.
Decimals have 38 digits at most, so their averages always fit a double.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Column, Contract
from telemetry.ddl.names import quote_name
from telemetry.ddl.types import sql_type

__all__ = ["Figure", "Shown", "average", "figures_of", "scaled_sum", "shown_of"]

SCALE = "18446744073709551616::double precision"
"""2^64: more rows than there will ever be."""
TINY = "4.1045368012983762e-289::double precision"
"""2^-958: divided by 2^64, it is the least double of full precision."""
GREATEST = "9.745314011399998e+288::double precision"
"""The greatest double, divided by 2^64."""
MOMENT, DOUBLE = "timestamp with time zone", "double precision"
_DOUBLES = ("real", "float")


@dataclass(frozen=True)
class Figure:
    """A column that is kept."""

    name: str
    type: str
    of_rows: str
    """Aggregate over ``s``: rows of the table, with the time since the row before."""
    of_figures: str
    """Aggregate over ``f``: the same figures of finer spans."""

    @property
    def definition(self) -> str:
        """Definition of its column. The count of a new column is 0 in existing rows."""
        counts = " NOT NULL DEFAULT 0" if self.of_rows.startswith("count(") else ""
        return f"{quote_name(self.name)} {self.type}{counts}"


@dataclass(frozen=True)
class Shown:
    """A column of the public view: an expression over ``x``, the kept figures."""

    name: str
    type: str
    """Type in the catalogue's spelling."""
    expression: str
    comment: str


def figures_of(contract: Contract) -> tuple[Figure, ...]:
    """Everything that is kept of a span."""
    time = f"s.{quote_name(contract.key[-1])}"
    return (
        Figure("readings", "bigint", "count(*)", "sum(f.readings)::bigint"),
        Figure("first_time", MOMENT, f"min({time})", "min(f.first_time)"),
        Figure("last_time", MOMENT, f"max({time})", "max(f.last_time)"),
        Figure("longest", "interval", 'max(s."gap between")', "max(f.longest)"),
        *(figure for column in metrics_of(contract) for figure in _kept(column)),
    )


def shown_of(contract: Contract) -> tuple[Shown, ...]:
    """Everything that is shown of a span."""
    return (
        Shown("readings", "bigint", "x.readings", "Number of readings."),
        Shown("first_time", MOMENT, "x.first_time", "Time of the first reading."),
        Shown("last_time", MOMENT, "x.last_time", "Time of the last reading."),
        *(shown for column in metrics_of(contract) for shown in _shown(column)),
    )


def _kept(column: Column) -> tuple[Figure, ...]:
    name, kind = column.name, sql_type(column)
    value = f"s.{quote_name(name)}"
    count = _summed(f"{name}_count", "bigint", f"count({value})")
    if column.type == "boolean":
        return (count, _summed(f"{name}_true", "bigint", f"count(*) FILTER (WHERE {value})"))
    if column.type in _DOUBLES:
        total = Figure(
            f"{name}_sum",
            "double precision",
            scaled_sum(value, column.type),
            f"sum(f.{quote_name(f'{name}_sum')})",
        )
    else:
        total = Figure(
            f"{name}_sum",
            "numeric",
            f"sum({value}::numeric)",
            f"sum(f.{quote_name(f'{name}_sum')})",
        )
    extremes = (
        Figure(
            f"{name}_{word}", kind, f"{word}({value})", f"{word}(f.{quote_name(f'{name}_{word}')})"
        )
        for word in ("min", "max")
    )
    return (count, *extremes, total)


def scaled_sum(value: str, kind: str) -> str:
    """SQL of the sum of ``real`` or ``float`` values, divided by 2^64."""
    scaled = f"{value}::double precision / {SCALE}"
    if kind == "real":  # none is so small
        return f"sum({scaled})"
    return f"sum(CASE WHEN abs({value}) < {TINY} THEN 0 ELSE {scaled} END)"


def average(total: str, count: str, least: str, most: str) -> str:
    """SQL of the average of doubles, from their :func:`scaled_sum`; NULL where there are none.

    A large sum is divided first and a small one scaled first, so that neither step leaves the
    doubles.
    """
    return (
        f"greatest({least}, least({most}, CASE "
        f"WHEN abs({total}) < 1 THEN {total} * {SCALE} / {count} "
        f"WHEN abs({total}) < 'Infinity' "
        f"THEN least(greatest({total} / {count}, -{GREATEST}), {GREATEST}) * {SCALE} "
        f"ELSE {total} END))"
    )


def _summed(name: str, kind: str, of_rows: str) -> Figure:
    return Figure(name, kind, of_rows, f"sum(f.{quote_name(name)})::{kind}")


def _shown(column: Column) -> tuple[Shown, ...]:
    name = column.name
    unit = f" [{column.unit}]" if column.unit else ""
    count = f"x.{quote_name(f'{name}_count')}"
    counted = Shown(f"{name}_count", "bigint", count, f"Readings that have a value of {name}.")
    if column.type == "boolean":
        true = f"x.{quote_name(f'{name}_true')}"
        share = f"{true}::double precision / nullif({count}, 0)"
        about = f"Share of them in which {name} is true."
        return (Shown(f"{name}_share", DOUBLE, share, about), counted)
    total = f"x.{quote_name(f'{name}_sum')}"
    if column.type in _DOUBLES:
        least, most = (f"x.{quote_name(f'{name}_{word}')}" for word in ("min", "max"))
        mean = average(total, count, least, most)
    else:
        mean = f"({total} / nullif({count}, 0))::double precision"
    extremes = (
        Shown(
            f"{name}_{word}",
            sql_type(column),
            f"x.{quote_name(f'{name}_{word}')}",
            f"{label} {name}.{unit}",
        )
        for word, label in (("min", "Least"), ("max", "Greatest"))
    )
    return (
        *extremes,
        Shown(f"{name}_avg", DOUBLE, mean, f"Average {name}.{unit}"),
        counted,
    )
