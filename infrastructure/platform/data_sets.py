"""The analysts' views as QuickSight's data sets: names and types of columns, from the contract."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.contract import Contract
from telemetry.contract.model import ColumnType
from telemetry.ddl.analytics import Shown, levels_of, shown_of

__all__ = ["DataSet", "data_sets"]

_TYPES: dict[ColumnType, str] = {
    "text": "STRING",
    "enum": "STRING",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "real": "DECIMAL",
    "float": "DECIMAL",
    "decimal": "DECIMAL",
    "boolean": "BOOLEAN",
    "timestamp": "DATETIME",
}
"""QuickSight's types; columns of JSON are left out, because a data set can't hold them."""
_SQL_TYPES = {
    "bigint": "INTEGER",
    "integer": "INTEGER",
    "smallint": "INTEGER",
    "date": "DATETIME",
    "timestamp with time zone": "DATETIME",
}


@dataclass(frozen=True)
class DataSet:
    """One view as a data set of QuickSight."""

    name: str
    """Last part of the view's name."""
    columns: tuple[tuple[str, str], ...]
    """Name and QuickSight type of each column."""

    @property
    def title(self) -> str:
        """Start of the logical ids in the template."""
        return self.name.title().replace("_", "")


def data_sets(contract: Contract) -> tuple[DataSet, ...]:
    """The data sets of a contract; none where it has no views."""
    if not contract.analytics.views:
        return ()
    found = []
    if contract.column(contract.key[-1]).type == "timestamp":
        columns = [(c.name, _TYPES[c.type]) for c in contract.columns if c.type in _TYPES]
        found.append(DataSet("latest", tuple(columns)))
    keys = tuple((name, _TYPES[contract.column(name).type]) for name in contract.key[:-1])
    for level in levels_of(contract):
        shown = tuple((item.name, _type(item)) for item in shown_of(contract))
        found.append(DataSet(level.name, (*keys, (level.column, "DATETIME"), *shown)))
    counted = (
        "batches", "read", "loaded", "updated", "duplicates", "already_loaded", "conflicts",
        "rejected", "set_aside", "quarantined", "discarded",
    )  # fmt: skip
    shares = ("reject_share", "lag_seconds_median", "lag_seconds_p95")
    found.append(
        DataSet(
            "quality_daily",
            (
                ("day", "DATETIME"),
                *((name, "INTEGER") for name in counted),
                *((name, "DECIMAL") for name in shares),
            ),
        )
    )
    rejects = (("day", "DATETIME"), ("reason", "STRING"), ("readings", "INTEGER"))
    return (*found, DataSet("rejects", rejects))


def _type(item: Shown) -> str:
    return _SQL_TYPES.get(item.type, "DECIMAL")
