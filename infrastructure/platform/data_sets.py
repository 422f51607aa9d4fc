"""The analysts' views as QuickSight's data sets: names and types of columns, from the contract."""

from __future__ import annotations

from dataclasses import dataclass

from infrastructure.core.topic_rules import title_of
from telemetry.contract import Contract, ContractSet
from telemetry.contract.model import ColumnType
from telemetry.ddl.analytics import Shown, levels_of, shown_of

__all__ = ["DataSet", "SetNames", "data_sets"]

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


@dataclass(frozen=True)
class SetNames:
    """Names of what belongs to one contract; those of the first one do not name it."""

    contracts: ContractSet
    contract: Contract

    def title(self, kind: str, part: str = "") -> str:
        """Logical id of a resource."""
        title = title_of(self.contracts, self.contract)
        if not title:
            return f"{part}{kind}"
        # Parts and contracts may have the same words: what is between them tells them apart.
        return f"{part}{kind.replace('DataSetRefresh', 'Refresh')}Of{title}"

    def ending(self, part: str = "") -> str:
        """End of an id in QuickSight, after the stack's name."""
        name = self.contracts.key_name(self.contract)
        return "".join(f"-{one}" for one in (name, part) if one)


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
