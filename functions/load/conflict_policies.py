"""The ``on_conflict`` policies: what a reading does to the row that has its key already. Pure SQL.

==================  ==============================================================================
``keep_first``      the existing row stays as it is
``keep_last``       the reading's values replace those of the row, wherever one differs
``keep_greatest``   they replace them where the contract's ``greatest`` column is greater
``fill_missing``    they fill the columns in which the row has no value; the others stay
==================  ==============================================================================

The SQL calls the existing row ``present`` and the reading ``excluded``, as ``ON CONFLICT`` does. Of
readings of one batch with the same key, Transform keeps one by the same policy
(``functions.transform.clean``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from functions.load.sql_parts import differs
from telemetry.contract import Contract
from telemetry.contract.model import OnConflict
from telemetry.ddl import quote_name

__all__ = ["changes_row", "new_value", "updates_rows"]


@dataclass(frozen=True)
class _Policy:
    """An updating policy, as SQL."""

    changes: Callable[[Contract, Sequence[str]], str]
    """Condition that the reading changes the row, in one of these columns."""
    value: Callable[[str, str], str]
    """Value of a column after the update, from the row's and the reading's."""


def _any_differs(_contract: Contract, columns: Sequence[str]) -> str:
    return differs("present", "excluded", columns)


def _is_greater(contract: Contract, _columns: Sequence[str]) -> str:
    column = quote_name(str(contract.greatest))
    row, reading = f"present.{column}", f"excluded.{column}"
    return f"({reading} > {row} OR {row} IS NULL AND {reading} IS NOT NULL)"


def _fills_one(_contract: Contract, columns: Sequence[str]) -> str:
    names = [quote_name(name) for name in columns]
    conditions = [f"present.{n} IS NULL AND excluded.{n} IS NOT NULL" for n in names]
    return f"({' OR '.join(conditions)})"


def _reading(_row: str, reading: str) -> str:
    return reading


def _row_or_reading(row: str, reading: str) -> str:
    return f"coalesce({row}, {reading})"


_UPDATING: dict[OnConflict, _Policy] = {
    "keep_last": _Policy(changes=_any_differs, value=_reading),
    "keep_greatest": _Policy(changes=_is_greater, value=_reading),
    "fill_missing": _Policy(changes=_fills_one, value=_row_or_reading),
}
"""The policies that update rows: all but ``keep_first``."""


def updates_rows(contract: Contract, columns: Sequence[str]) -> bool:
    """True if a batch with these columns may update rows: never under ``keep_first``, nor without
    a column to update, nor without the column that ``keep_greatest`` compares."""
    if contract.on_conflict == "keep_greatest" and contract.greatest not in columns:
        return False
    return contract.on_conflict in _UPDATING and not set(columns) <= set(contract.key)


def changes_row(contract: Contract, columns: Sequence[str]) -> str:
    """Condition that the reading changes the existing row; ``columns`` are those beside the key."""
    return _UPDATING[contract.on_conflict].changes(contract, columns)


def new_value(contract: Contract, column: str) -> str:
    """Value of a column of the existing row after the update."""
    name = quote_name(column)
    return _UPDATING[contract.on_conflict].value(f"present.{name}", f"excluded.{name}")
