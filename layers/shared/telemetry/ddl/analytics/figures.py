"""The figures of a rollup: how they are computed from rows, and from finer figures.

Kept are figures that can be put together again (counts, sums, extremes); shown are those that
people ask for (averages, shares). Texts, times and JSON have none: what one would want of them
(how many different ones, which most often) can't be put together from parts.

Sums of doubles are kept divided by 2^64, which is exact: a sum of values near the greatest double
would be refused by PostgreSQL as an overflow, and one hostile reading must not cause that.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Column, Contract
from telemetry.ddl.names import quote_name
from telemetry.ddl.types import sql_type

__all__ = ["Figure", "Shown", "figures_of", "shown_of"]

SCALE = "18446744073709551616::double precision"
"""2^64: more rows than there will ever be."""
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
            f"sum({value}::double precision / {SCALE})",
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
        average = f"{total} / nullif({count}, 0) * {SCALE}"
    else:
        average = f"({total} / nullif({count}, 0))::double precision"
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
        Shown(f"{name}_avg", DOUBLE, average, f"Average {name}.{unit}"),
        counted,
    )
