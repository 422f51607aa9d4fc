"""The data dictionary of a contract: its columns, rules and checks as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from etl.authoring.check import sources_text
from telemetry.contract.model import Checks, Column, Contract
from telemetry.ddl.types import sql_type

__all__ = ["ColumnEntry", "DataDictionary", "describe"]

POLICIES = {
    "keep_first": "the reading that arrived first stays",
    "keep_last": "the reading that arrived last stays",
    "keep_greatest": "the reading with the greatest {greatest} stays",
    "fill_missing": "missing values are filled from the other readings",
}


@dataclass(frozen=True)
class ColumnEntry:
    """One column, each part as text; empty where there is nothing to say."""

    name: str
    type: str
    """Its type in PostgreSQL."""
    unit: str
    key: bool
    required: bool
    allowed: str
    """Limits of its values."""
    invalid: str
    """Effect of another value."""
    sources: str
    """Where its value comes from, in the order in which it is looked for."""
    description: str


@dataclass(frozen=True)
class DataDictionary:
    """Everything that a contract says about its table."""

    contract: str
    version: str
    """Digest of the contract."""
    description: str
    table: str
    topic: str
    key: tuple[str, ...]
    columns: tuple[ColumnEntry, ...]
    rules: tuple[tuple[str, str], ...]
    """Rules of the table: what each is about, and what holds."""
    checks: tuple[tuple[str, str], ...]
    """Checks of a micro-batch: what is measured, and what happens beyond the limits."""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {**asdict(self), "rules": dict(self.rules), "checks": dict(self.checks)}


def describe(contract: Contract) -> DataDictionary:
    """Make the data dictionary of a contract."""
    return DataDictionary(
        contract=contract.name,
        version=contract.digest,
        description=contract.description,
        table=f"{contract.schema}.{contract.table}",
        topic=contract.topic,
        key=contract.key,
        columns=tuple(_entry(contract, column) for column in contract.columns),
        rules=tuple(_rules(contract)),
        checks=tuple(_checks(contract.checks)),
    )


def _entry(contract: Contract, column: Column) -> ColumnEntry:
    return ColumnEntry(
        name=column.name,
        type=sql_type(column),
        unit=column.unit or "",
        key=column.name in contract.key,
        required=column.required,
        allowed="; ".join(_limits(column)),
        invalid="becomes NULL" if column.on_invalid == "null" else "rejects the reading",
        sources=sources_text(column),
        description=column.description,
    )


def _limits(column: Column) -> Iterator[str]:
    low, high = column.range
    if low is not None and high is not None:
        yield f"{low:.15g} to {high:.15g}"
    elif low is not None:
        yield f"{low:.15g} or more"
    elif high is not None:
        yield f"{high:.15g} or less"
    if column.values:
        yield ", ".join(value for value, _ in column.values)
    if column.max_length is not None:
        longer = ", longer ones are cut" if column.on_too_long == "truncate" else ""
        yield f"up to {column.max_length} characters{longer}"
    if column.pattern is not None:
        yield f"matches {column.pattern}"
    if column.max_age is not None:
        yield f"up to {_span(column.max_age)} before its message arrived"
    if column.max_future is not None:
        yield f"up to {_span(column.max_future)} after its message arrived"


def _span(microseconds: int) -> str:
    for size, noun in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if microseconds % (size * 1_000_000) == 0 and microseconds:
            return f"{microseconds // (size * 1_000_000):,} {noun}"
    return f"{microseconds / 1_000_000:,g} seconds"


def _rules(contract: Contract) -> Iterator[tuple[str, str]]:
    policy = POLICIES[contract.on_conflict].format(greatest=contract.greatest)
    yield "readings of one key", f"{contract.on_conflict}: {policy}"
    spans = {"none": "none", "month": "one a month", "day": "one a day"}
    yield "partitions", spans[contract.partition]
    days = contract.retention_days
    yield "retention", "rows never expire" if days is None else f"rows stay for {days:,} days"
    if contract.indexes:
        yield "further indexes", "; ".join(", ".join(names) for names in contract.indexes)
    if contract.analytics.views:
        rollups = ", ".join(contract.analytics.rollups) or "none"
        yield "rollups", rollups


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _checks(checks: Checks) -> Iterator[tuple[str, str]]:
    yield (
        "rejected readings",
        f"more than {_percent(checks.warn_reject_share)} of all warns, "
        f"more than {_percent(checks.max_reject_share)} quarantines",
    )
    yield (
        "conflicts",
        f"more than {_percent(checks.conflict_share_warn)} of all warns, "
        f"more than {_percent(checks.conflict_share)} quarantines",
    )
    if checks.max_duplicate_share < 1:
        yield "duplicates", f"more than {_percent(checks.max_duplicate_share)} of all quarantines"
    for name, share in checks.completeness.items():
        yield f"completeness of {name}", f"less than {_percent(share)} with a value warns"
    if checks.max_age_minutes is not None:
        yield "newest reading", f"older than {checks.max_age_minutes:g} minutes warns"
    if checks.volume is not None:
        low, high = checks.volume
        yield "volume", f"outside {low:g} to {high:g} times the median of the last batches warns"
    for name, limit in checks.drift.items():
        yield f"drift of {name}", f"an index above {limit:g} warns"
    yield (
        "least size",
        f"batches of fewer than {checks.min_readings} readings are never quarantined",
    )
