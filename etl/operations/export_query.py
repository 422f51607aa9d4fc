"""Makes the SELECT of an export, in the spelling of CSV or of Parquet's reader."""

# ruff: noqa: S608 - the statements are made of quoted names and texts

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from etl.operations.time_range import ALWAYS, FIRST, LAST, TimeRange
from telemetry.contract.model import Column, Contract
from telemetry.ddl import qualified, quote_name, quote_text
from telemetry.errors import UserError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ExportFormat", "Selection", "SelectionError", "copy_statement", "frame_schema"]

ExportFormat = Literal["csv", "parquet"]
SPARE_COLUMN = " "
"""A constant behind the only column of a table: a line of nothing but NULL would be skipped."""


class SelectionError(UserError):
    """Raised where the contract has no such column, or its key no device or time."""


@dataclass(frozen=True)
class Selection:
    """The rows and columns to export; without conditions, the whole table."""

    columns: tuple[str, ...] = ()
    """Names in the order of the file; empty: all of the contract, in its order."""
    devices: tuple[str, ...] = ()
    times: TimeRange = field(default=ALWAYS)
    """Range of the time in the key."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that differ for another selection."""
        times = (self.times.start.isoformat(), self.times.end.isoformat())
        facts = [self.columns, sorted(set(self.devices)), times]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]

    def columns_of(self, contract: Contract) -> tuple[Column, ...]:
        """The columns to export. Raises :class:`SelectionError` for an unknown or repeated one."""
        known = {column.name: column for column in contract.columns}
        for place, name in enumerate(self.columns):
            if name not in known:
                names = ", ".join(known)
                raise SelectionError(f"{contract.name} has no column {name!r}, but: {names}.")
            if name in self.columns[:place]:
                raise SelectionError(f"The column {name!r} is chosen twice.")
        return tuple(known[name] for name in self.columns) or contract.columns

    def conditions(self, contract: Contract) -> list[str]:
        """The conditions in SQL. Raises :class:`SelectionError`."""
        found = []
        if self.devices:
            found.append(self._of_devices(contract))
        if not self.times.is_open:
            time = contract.key[-1]
            if contract.column(time).type != "timestamp":
                raise SelectionError(
                    f"The key of {contract.name} has no time, which --since and --until are about."
                )
            name = quote_name(time)
            if self.times.start != FIRST:
                found.append(f"{name} >= '{self.times.start.isoformat()}'::timestamptz")
            if self.times.end != LAST:
                found.append(f"{name} < '{self.times.end.isoformat()}'::timestamptz")
        return found

    def _of_devices(self, contract: Contract) -> str:
        device = contract.device_column
        if device is None:
            raise SelectionError(f"The key of {contract.name} names no device.")
        cast = "" if contract.column(device).type in ("text", "enum") else "::text"
        texts = ", ".join(map(quote_text, self.devices))
        return f"{quote_name(device)}{cast} IN ({texts})"


def copy_statement(
    contract: Contract, selection: Selection, form: ExportFormat, conditions: Sequence[str] = ()
) -> str:
    """The COPY that sends the rows as lines of CSV, in no order.

    ``conditions`` are further ones, in SQL. NULL is nothing at all, an empty text is ``""``.
    Raises :class:`SelectionError`.
    """
    columns = selection.columns_of(contract)
    parts = [f"{_spelled(column, form)} AS {quote_name(column.name)}" for column in columns]
    if form == "parquet" and len(columns) == 1:
        parts.append(f"1 AS {quote_name(SPARE_COLUMN)}")
    where = " AND ".join(f"({one})" for one in (*selection.conditions(contract), *conditions))
    query = f"SELECT {', '.join(parts)} FROM {qualified(contract)}"
    header = "true" if form == "csv" else "false"
    query += f" WHERE {where}" if where else ""
    return f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER {header}, ENCODING 'UTF8')"


def _spelled(column: Column, form: ExportFormat) -> str:
    name = quote_name(column.name)
    if column.type == "boolean":
        return f"{name}::text"  # true and false, where COPY writes t and f
    if column.type == "timestamp" and form == "parquet":
        return f"(extract(epoch FROM {name}) * 1000000)::bigint"
    return name


def frame_schema(columns: Sequence[Column]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """The types of the columns in the Parquet file: those of the table, and text for JSON."""
    import polars as pl

    kinds: dict[str, pl.DataType | type[pl.DataType]] = {
        "smallint": pl.Int16,
        "integer": pl.Int32,
        "bigint": pl.Int64,
        "real": pl.Float32,
        "float": pl.Float64,
        "boolean": pl.Boolean,
        "timestamp": pl.Datetime("us", "UTC"),
    }
    return {
        column.name: pl.Decimal(column.precision, column.scale)
        if column.type == "decimal"
        else kinds.get(column.type, pl.String)
        for column in columns
    }
