"""The changes between two contracts, and their effect on the table and its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from etl.authoring.paths import escaped_path, source_text
from telemetry.contract import Column, Contract, Source
from telemetry.contract.model import (
    Decoder,
    PackedMember,
    PairMembers,
    Plus,
    TextParts,
    UnitMember,
)
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

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """One entry that differs between the contracts."""

    what: ChangeKind
    key: str
    """Dotted path of the entry in the file, such as ``columns.ts.type``."""
    old: str
    new: str
    meaning: str
    """Effect on existing rows and on new ones."""


@dataclass(frozen=True)
class Difference:
    """All changes, and the SQL that they require."""

    changes: list[Change]
    statements: list[str] = field(default_factory=list)
    """Statements that deploy will run."""
    refused: str = ""
    """Reason why deploy refuses, with the statements to run by hand; empty where it does not."""

    @property
    def destructive(self) -> bool:
        """True where deploy refuses the change."""
        return bool(self.refused)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self) | {"destructive": self.destructive}


def diff(old: Contract, new: Contract) -> Difference:
    """Compares the old contract, assumed to be deployed, with the new one."""
    changes = [
        *_contract_changes(old, new),
        *_file_changes(old, new),
        *_column_changes(old, new),
        *_checks(old, new),
    ]
    same_table = (old.schema, old.table) == (new.schema, new.table)
    try:
        statements = plan_table(new, table_of(old) if same_table else None)
    except ContractError as error:
        return Difference(changes, refused=str(error))
    return Difference(changes, statements)


def table_of(contract: Contract) -> ExistingTable:
    """The table after deploying the contract, as PostgreSQL's catalogue describes it."""
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


EXISTING_ROWS_KEPT = "existing rows keep their values until their batches are replayed"
"""The effect of a changed cleaning rule on existing rows."""
NEXT_BATCH = "applies from the next batch on; existing rows do not change"

_CONTRACT_KEYS: dict[str, tuple[str, str]] = {
    "name": ("name", "the ledger records new batches under the new name; old ones keep theirs"),
    "description": ("description", "the table's comment changes"),
    "topic": (
        "topic",
        "devices must publish to the new topic; messages to the old one are lost",
    ),
    "schema": ("table.schema", "a new table is created; existing rows stay in the old one"),
    "table": ("table.name", "a new table is created; existing rows stay in the old one"),
    "key": (
        "table.key",
        "existing rows must be unique under the new key, or it can't be created",
    ),
    "on_conflict": ("table.on_conflict", NEXT_BATCH),
    "partition": (
        "table.partition",
        "partitions of the other length are made from now on; existing ones stay as they are",
    ),
    "retention_days": (
        "table.retention",
        "the maintenance, once a day, drops the partitions whose rows are all older; no row that "
        "is not in S3",
    ),
    "readings": ("message.readings", NEXT_BATCH),
    "parents": ("message.readings, the outer array", NEXT_BATCH),
    "format": ("message.format", NEXT_BATCH),
    "delimiter": ("message.delimiter", NEXT_BATCH),
    "pairs": ("message.pairs", NEXT_BATCH),
    "unpack": ("message.unpack", NEXT_BATCH),
    "decoder": ("message.decoder", NEXT_BATCH),
    "descriptor": ("message.descriptor", NEXT_BATCH),
    "message_type": ("message.type", NEXT_BATCH),
    "compression": ("message.compression", NEXT_BATCH),
}
_COLUMN_MEANINGS = {
    "type": "new values are read as the new type",
    "on_invalid": NEXT_BATCH,
    "unit": "the column's comment changes; existing values are not converted",
    "description": "the column's comment changes",
}
_COLUMN_KEYS = {"sources": "from", "unit_member": "unit_from"}
_SOURCE_KEYS = {"sources": "from"}
_NOT_COMPARED = {"columns", "checks", "digest", "files"}


def _contract_changes(old: Contract, new: Contract) -> Iterator[Change]:
    for item in fields(Contract):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if before != after and item.name not in _NOT_COMPARED:
            key, meaning = _CONTRACT_KEYS.get(item.name, (item.name, NEXT_BATCH))
            yield Change("changed", key, _text(before), _text(after), meaning)


def _file_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Files of both contracts whose content differs, each by the start of its SHA-256."""
    before = dict(old.files)
    for name, content in new.files:
        if name in before and before[name] != content:
            yield Change("changed", name, _digest(before[name]), _digest(content), NEXT_BATCH)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _column_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in [*after, *(name for name in before if name not in after)]:
        key = f"columns.{name}"
        if name not in before:
            yield Change("added", key, "", after[name].type, _added_meaning(after[name]))
        elif name not in after:
            yield Change("removed", key, before[name].type, "", _removed_meaning(before[name]))
        else:
            yield from _entries(key, before[name], after[name], EXISTING_ROWS_KEPT)


def _added_meaning(column: Column) -> str:
    meaning = "existing rows have NULL in it"
    return f"{meaning}; new readings without it are rejected" if column.required else meaning


def _removed_meaning(column: Column) -> str:
    meaning = "the table keeps the column and its values; new rows have NULL in it"
    return f"{meaning}, which the column does not allow" if column.required else meaning


def _entries(key: str, old: Column, new: Column, kept: str) -> Iterator[Change]:
    for item in fields(Column):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if before == after or item.name in ("name", "conversion"):
            continue
        meaning = _COLUMN_MEANINGS.get(item.name, kept)
        if item.name == "required":
            meaning = _required_meaning(required=bool(after))
        shown = _COLUMN_KEYS.get(item.name, item.name)
        yield Change("changed", f"{key}.{shown}", _text(before), _text(after), meaning)


def _required_meaning(*, required: bool) -> str:
    if required:
        return "new readings without it are rejected; existing rows may have NULL in it"
    return "new rows may have NULL in it"


def _checks(old: Contract, new: Contract) -> Iterator[Change]:
    for item in fields(old.checks):
        before, after = getattr(old.checks, item.name), getattr(new.checks, item.name)
        if before != after:
            key = f"checks.{item.name}"
            yield Change("changed", key, _text(before), _text(after), "applies to new batches")


def _text(value: Any) -> str:
    """A value as it reads in a contract."""
    if isinstance(value, Source | Decoder):
        return source_text(value) if isinstance(value, Source) else ":".join(value)
    if isinstance(value, PackedMember | PairMembers | Plus | UnitMember | TextParts):
        return _text(_table(value))
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_text(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None or value == "" else str(value)


def _table(value: PackedMember | PairMembers | Plus | UnitMember | TextParts) -> dict[str, Any]:
    if isinstance(value, PackedMember):
        parts = {"member": escaped_path(value.path), "encoding": value.encoding}
        return parts | {"format": value.format}
    if isinstance(value, PairMembers):
        found = {"name": escaped_path(value.name), "by": value.by}
        return found if value.value is None else found | {"value": escaped_path(value.value)}
    names = [item.name for item in fields(value) if item.name != "conversions"]
    shown = {_SOURCE_KEYS.get(name, name): getattr(value, name) for name in names}
    return {name: part for name, part in shown.items() if part is not None}
