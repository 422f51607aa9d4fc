"""Batches for a table with every kind of metric, and what its rollups have to say of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.load.batch import parse_groups
from functions.load.loading import Loaded, load_batch
from functions.load.rollup_invalidation import refresh
from functions.migrate.analytics import bring_up_to_date
from functions.transform.clean import clean
from functions.transform.copy import copy_csv, copy_groups
from telemetry.contract import Contract, parse_contract
from tests.fixtures.telemetry_database import MemoryCopy, TelemetryDatabase, make_batch
from tests.unit.functions.transform.envelopes_for import line

TABLE = '"telemetry"."measured"'
START = datetime(2026, 3, 28, 20, tzinfo=UTC)
"""Four hours before the night in which clocks are put forward in Europe."""
Reading = dict[str, Any]


def contract_for(
    policy: str = "keep_first", partition: str = "none", analytics: str = "", more: str = ""
) -> Contract:
    """Two columns before the time, of which one is a number."""
    greatest = 'greatest = "seq"' if policy == "keep_greatest" else ""
    return parse_contract(
        f"""
        name = "measured"
        topic = "lab/+"
        [table]
        name = "measured"
        key = ["site", "id", "ts"]
        on_conflict = "{policy}"
        {greatest}
        partition = "{partition}"
        [analytics]
        {analytics}
        [columns.site]
        type = "text"
        max_length = 8
        required = true
        [columns.id]
        type = "smallint"
        required = true
        [columns.ts]
        type = "timestamp"
        formats = ["epoch_s"]
        required = true
        [columns.seq]
        type = "bigint"
        [columns.value]
        type = "float"
        unit = "°C"
        [columns.price]
        type = "decimal"
        precision = 10
        scale = 2
        [columns.open]
        type = "boolean"
        {more}
        """.encode(),
        "measured.toml",
    )


def reading(minute: int, site: str = "a", id: int = 1, **values: Any) -> Reading:
    when = START + timedelta(minutes=minute)
    return {"site": site, "id": id, "ts": int(when.timestamp()), **values}


def load(
    database: TelemetryDatabase,
    contract: Contract,
    name: str,
    readings: list[Reading],
    *,
    refreshes: bool = False,
    **fields: Any,
) -> Loaded:
    """As the functions do, from messages to rows."""
    sent = b"\n".join(line(one, place) for place, one in enumerate(readings))
    cleaned = clean(sent, contract)
    csv = copy_csv(cleaned.rows)
    groups = parse_groups(copy_groups(cleaned.rows, csv, contract) or b"")
    batch = make_batch(
        name,
        cleaned.rows.height,
        read=len(readings),
        duplicates=cleaned.duplicates,
        conflicts=cleaned.conflicting,
        columns=tuple(column.name for column in contract.columns),
        contract=contract.name,
    )
    batch = replace(batch, **fields)
    with closing(database.connect_loader()) as connection:
        done = load_batch(connection, contract, batch, MemoryCopy(csv), lambda: groups)
        if refreshes:
            refresh(connection, contract, seconds=240)
        return done


def bring_up(database: TelemetryDatabase, contract: Contract, seconds: float = 240) -> int:
    with closing(database.connect_owner()) as connection:
        return bring_up_to_date(connection, contract, seconds)


FIGURES = """
    count(*), min(ts), max(ts),
    min(seq), max(seq), avg(seq)::float8, count(seq),
    min(value), max(value), avg(value), count(value),
    min(price), max(price), avg(price)::float8, count(price),
    avg(open::int)::float8, count(open)"""


def table_says(database: TelemetryDatabase, unit: str) -> list[tuple[Any, ...]]:
    """The aggregate of the table itself, as anyone would write it."""
    cast = "::date" if unit == "day" else " AT TIME ZONE 'UTC'"
    return database.query(
        f"SELECT site, id, date_trunc('{unit}', ts AT TIME ZONE 'UTC'){cast}, {FIGURES} "
        f"FROM {TABLE} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )


def rollup_says(database: TelemetryDatabase, unit: str, query: str = "") -> list[tuple[Any, ...]]:
    name = {"hour": "hourly", "day": "daily"}[unit]
    return database.query(
        f'SELECT * FROM "telemetry"."measured_{name}" {query} ORDER BY site, id, {unit}'
    )


def same(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    """Equal; averages of doubles to the last digits, which depend on the order of a sum."""
    return len(found) == len(wanted) and all(
        len(one) == len(other) and all(map(_same_value, one, other))
        for one, other in zip(found, wanted, strict=True)
    )


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-12 * max(abs(one), abs(other), 1e-300)
    return bool(one == other)


def assert_exact(database: TelemetryDatabase) -> None:
    for unit in ("hour", "day"):
        found, wanted = rollup_says(database, unit), table_says(database, unit)
        assert same(found, wanted), (unit, found, wanted)


def kept_only(database: TelemetryDatabase) -> bool:
    """Whether no span is read from the rows."""
    return database.query('SELECT count(*) FROM etl."telemetry.measured.marks"') == [(0,)]
