"""What changes from one contract to another, for the table and for the rows already in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from etl.authoring.paths import source_text
from telemetry.contract import Column, Contract, Source
from telemetry.ddl import (
    ExistingColumn,
    ExistingTable,
    check_name,
    index_name,
    plan_table,
    sql_type,
)
from telemetry.errors import ContractError

__all__ = ["Change", "Difference", "diff", "table_of"]

What = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """One entry that differs."""

    what: What
    key: str
    """Dotted path of the entry in the file, such as ``columns.ts.type``."""
    old: str
    new: str
    meaning: str
    """What it means for rows already loaded and for those to come."""


@dataclass(frozen=True)
class Difference:
    """All changes, and the SQL they come to."""

    changes: list[Change]
    statements: list[str] = field(default_factory=list)
    """What deploy will run."""
    refused: str = ""
    """What deploy refuses, with the statements a person must run; empty where it runs it all."""

    @property
    def destructive(self) -> bool:
        """Whether deploy refuses it."""
        return bool(self.refused)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self) | {"destructive": self.destructive}


def diff(old: Contract, new: Contract) -> Difference:
    """From the old contract, taken to be deployed, to the new one."""
    changes = [*_contract_changes(old, new), *_column_changes(old, new), *_checks(old, new)]
    same_table = (old.schema, old.table) == (new.schema, new.table)
    try:
        statements = plan_table(new, table_of(old) if same_table else None)
    except ContractError as error:
        return Difference(changes, refused=str(error))
    return Difference(changes, statements)


def table_of(contract: Contract) -> ExistingTable:
    """The table that deploying the contract leaves, as the catalogue would describe it."""
    return ExistingTable(
        columns=tuple(
            ExistingColumn(
                name=column.name,
                type=sql_type(column),
                nullable=not (column.required or column.name in contract.key),
                comment=_comment(column),
            )
            for column in contract.columns
        ),
        key=contract.key,
        comment=contract.description or f"Readings of the contract {contract.name}.",
        checks=tuple(check_name(column) for column in contract.columns if column.values),
        partitioned=contract.partition != "none",
        indexes=frozenset(index_name(contract.table, columns) for columns in contract.indexes),
    )


def _comment(column: Column) -> str | None:
    unit = f"[{column.unit}]" if column.unit else ""
    return f"{column.description} {unit}".strip() or None


KEPT = "rows already loaded keep what they have"
NEXT = "from the next batch on; rows already loaded stay as they are"

_OF_CONTRACT: dict[str, tuple[str, str]] = {
    "name": ("name", "the ledger books new batches under the new name, old ones keep theirs"),
    "description": ("description", "the table's comment follows"),
    "topic": (
        "topic",
        "devices must publish under the new one; what still comes by the old is lost",
    ),
    "schema": ("table.schema", "a new table is made; rows already loaded stay in the old one"),
    "table": ("table.name", "a new table is made; rows already loaded stay in the old one"),
    "key": (
        "table.key",
        "rows already loaded must be unique under the new key, or it can't be made",
    ),
    "on_conflict": ("table.on_conflict", NEXT),
    "readings": ("message.readings", NEXT),
    "compression": ("message.compression", NEXT),
}
_OF_COLUMN = {
    "type": "new rows are read as the new type",
    "on_invalid": NEXT,
    "unit": "the column's comment follows; values already loaded are not converted",
    "description": "the column's comment follows",
}
_KEYS = {"sources": "from"}
_NOT_COMPARED = {"columns", "checks", "digest"}


def _contract_changes(old: Contract, new: Contract) -> Iterator[Change]:
    for item in fields(Contract):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if before != after and item.name not in _NOT_COMPARED:
            key, meaning = _OF_CONTRACT.get(item.name, (item.name, NEXT))
            yield Change("changed", key, _told(before), _told(after), meaning)


def _column_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in [*after, *(name for name in before if name not in after)]:
        key = f"columns.{name}"
        if name not in before:
            yield Change("added", key, "", after[name].type, _meaning_of_new(after[name]))
        elif name not in after:
            yield Change("removed", key, before[name].type, "", _meaning_of_removed(before[name]))
        else:
            yield from _entries(key, before[name], after[name], _meaning_of_cleaning(new))


def _meaning_of_cleaning(contract: Contract) -> str:
    """What cleaning values in another way means for those already in the table."""
    if contract.on_conflict == "keep_first":
        return f"{KEPT}, and with keep_first even a replay leaves them"
    return f"{KEPT} until their raw objects are replayed (`etl run --prefix`)"


def _meaning_of_new(column: Column) -> str:
    told = "rows already loaded are NULL in it"
    return f"{told}; new readings without it are rejected" if column.required else told


def _meaning_of_removed(column: Column) -> str:
    told = "the table keeps the column and its values; new rows are NULL in it"
    return f"{told}, which it does not allow" if column.required else told


def _entries(key: str, old: Column, new: Column, kept: str) -> Iterator[Change]:
    for item in fields(Column):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if before == after or item.name in ("name", "conversion"):
            continue
        meaning = _OF_COLUMN.get(item.name, kept)
        if item.name == "required":
            meaning = _meaning_of_required(required=bool(after))
        shown = _KEYS.get(item.name, item.name)
        yield Change("changed", f"{key}.{shown}", _told(before), _told(after), meaning)


def _meaning_of_required(*, required: bool) -> str:
    if required:
        return "new readings without it are rejected; rows already loaded may be NULL in it"
    return "new rows may be NULL in it"


def _checks(old: Contract, new: Contract) -> Iterator[Change]:
    for item in fields(old.checks):
        before, after = getattr(old.checks, item.name), getattr(new.checks, item.name)
        if before != after:
            key = f"checks.{item.name}"
            yield Change("changed", key, _told(before), _told(after), "judges batches from now on")


def _told(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, Source):
        return source_text(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_told(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_told(part)}" for name, part in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None or value == "" else str(value)
