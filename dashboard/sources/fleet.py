"""The fleet: every device with its last reading, its activity, and one device's readings.

The roster walks the key's index from device to device, so that it takes as long as there are
devices, however many readings each has. Other queries cover one page or one device.
"""

# ruff: noqa: S608 - the statements are made of names quoted by telemetry.ddl

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dashboard.sources.pipeline import Pipeline, contract_named
from telemetry.contract.model import Column, Contract
from telemetry.ddl import qualified
from telemetry.ddl.analytics import AHEAD, average, scaled_sum
from telemetry.ddl.names import quote_name
from telemetry.errors import UserError

__all__ = [
    "Activity",
    "Device",
    "DeviceTimes",
    "FleetKey",
    "NoFleetError",
    "Series",
    "activity",
    "counts",
    "fleet_key",
    "latest_row",
    "roster",
    "series",
    "time_range_of",
]  # fmt: skip

MOST_DEVICES = 50_000
STEPS = 24
"""Bars of a sparkline."""
POINTS = 240
"""Most points of a chart: about as many as a laptop's chart has room for."""
NUMBERS = ("smallint", "integer", "bigint", "real", "float", "decimal")
MOST_CHARTS = 16
_LATEST = f"now() + interval '{AHEAD}'"
"""A reading stamped later comes from a clock that is wrong."""


class NoFleetError(UserError):
    """Raised where the contract's key names no device or no time."""


@dataclass(frozen=True)
class FleetKey:
    """The columns of the key that name the device and the time."""

    table: str
    """Qualified and quoted."""
    device: str
    time: str
    plain_key: bool
    """True where the key consists of these two columns, in this order."""


@dataclass(frozen=True)
class Device:
    """One device and the time of its last reading that is not stamped ahead.

    Of a device that has no other, the last of all: one reading of the year 9999 must not make it
    look alive permanently.
    """

    name: str
    last: datetime


@dataclass(frozen=True)
class DeviceTimes:
    """Times of a device's first and last reading, and of the newest, which may be stamped ahead."""

    first: datetime
    last: datetime
    newest: datetime


@dataclass(frozen=True)
class Activity:
    """Number of readings of one device in a time range, in total and by step."""

    readings: int = 0
    steps: tuple[int, ...] = (0,) * STEPS


@dataclass(frozen=True)
class Series:
    """One column of one device over time, in at most :data:`POINTS` steps."""

    column: Column
    points: list[tuple[datetime, float, float, float]] = field(default_factory=list)
    """Start, least, mean and greatest value of each step; steps without values are left out."""


def fleet_key(contract: Contract) -> FleetKey:
    """The device and time columns of the contract's key. Raises :class:`NoFleetError`."""
    times = [name for name in contract.key if contract.column(name).type == "timestamp"]
    others = [name for name in contract.key if name not in times]
    if not times or not others:
        raise NoFleetError(
            f"The key of contract '{contract.name}' ({', '.join(contract.key)}) does not name a "
            "device and a time, so there is no fleet to show."
        )
    plain = contract.key == (others[0], times[-1])
    return FleetKey(qualified(contract), others[0], times[-1], plain)


def roster(pipeline: Pipeline, contract: str | None = None) -> list[Device]:
    """Every device with the time of its last reading, sorted by name.

    ``contract``: the name of the one whose table is read, here and below; without it, the first.
    """
    key = fleet_key(contract_named(pipeline, contract))
    device, time, table = quote_name(key.device), quote_name(key.time), key.table
    if key.plain_key:
        sql = f"""
            WITH RECURSIVE roster AS (
                (SELECT {device} AS name FROM {table} ORDER BY 1 LIMIT 1)
                UNION ALL
                SELECT (SELECT t.{device} FROM {table} t WHERE t.{device} > roster.name
                        ORDER BY 1 LIMIT 1)
                FROM roster WHERE roster.name IS NOT NULL
            )
            SELECT name::text AS name,
                   coalesce(
                       (SELECT max(t.{time}) FROM {table} t WHERE t.{device} = roster.name
                        AND t.{time} <= {_LATEST}),
                       (SELECT max(t.{time}) FROM {table} t WHERE t.{device} = roster.name)
                   ) AS last
            FROM roster WHERE name IS NOT NULL LIMIT %s"""
    else:
        sql = (
            f"SELECT {device}::text AS name, coalesce(max({time}) "
            f"FILTER (WHERE {time} <= {_LATEST}), max({time})) AS last FROM {table} "
            "GROUP BY 1 ORDER BY 1 LIMIT %s"
        )
    rows = pipeline.database.query(sql, (MOST_DEVICES,), seconds=8)
    return [Device(row["name"], row["last"]) for row in rows]


def counts(
    pipeline: Pipeline, start: datetime, end: datetime, contract: str | None = None
) -> dict[str, int]:
    """Number of readings in the time range, by device."""
    key = fleet_key(contract_named(pipeline, contract))
    device, time = quote_name(key.device), quote_name(key.time)
    rows = pipeline.database.query(
        f"SELECT {device}::text AS name, count(*) AS readings FROM {key.table} "
        f"WHERE {time} >= %s AND {time} < %s GROUP BY 1 LIMIT %s",
        (start, end, MOST_DEVICES),
        seconds=8,
    )
    return {row["name"]: int(row["readings"]) for row in rows}


def activity(
    pipeline: Pipeline,
    devices: list[str],
    start: datetime,
    end: datetime,
    contract: str | None = None,
) -> dict[str, Activity]:
    """Activity of these devices in the time range, in :data:`STEPS` steps."""
    key = fleet_key(contract_named(pipeline, contract))
    device, time = quote_name(key.device), quote_name(key.time)
    step = max((end - start).total_seconds() / STEPS, 1e-6)
    rows = pipeline.database.query(
        f"SELECT {device}::text AS name, "
        f"least(floor(extract(epoch FROM {time} - %s) / %s), %s)::int AS step, "
        f"count(*) AS readings FROM {key.table} "
        f"WHERE {device}::text = ANY(%s) AND {time} >= %s AND {time} < %s GROUP BY 1, 2",
        (start, step, STEPS - 1, devices, start, end),
    )
    bars: dict[str, list[int]] = {name: [0] * STEPS for name in devices}
    for row in rows:
        bars[row["name"]][row["step"]] = int(row["readings"])
    return {name: Activity(sum(steps), tuple(steps)) for name, steps in bars.items()}


def time_range_of(pipeline: Pipeline, name: str, contract: str | None = None) -> DeviceTimes | None:
    """Times of a device's readings, or ``None`` where it has none."""
    key = fleet_key(contract_named(pipeline, contract))
    device, time = quote_name(key.device), quote_name(key.time)
    of_device = f"FROM {key.table} WHERE {device}::text = %s"
    (row,) = pipeline.database.query(
        f"SELECT min({time}) AS first, max({time}) AS newest, "
        f"(SELECT max({time}) {of_device} AND {time} <= {_LATEST}) AS last {of_device}",
        (name, name),
    )
    if row["first"] is None:
        return None
    return DeviceTimes(row["first"], row["last"] or row["newest"], row["newest"])


def latest_row(pipeline: Pipeline, name: str, contract: str | None = None) -> dict[str, Any]:
    """The device's newest row, by column of the contract; empty where it has none."""
    chosen = contract_named(pipeline, contract)
    key = fleet_key(chosen)
    columns = ", ".join(quote_name(column.name) for column in chosen.columns)
    rows = pipeline.database.query(
        f"SELECT {columns} FROM {key.table} WHERE {quote_name(key.device)}::text = %s "
        f"ORDER BY {quote_name(key.time)} DESC LIMIT 1",
        (name,),
    )
    return rows[0] if rows else {}


def series(
    pipeline: Pipeline, name: str, start: datetime, end: datetime, contract: str | None = None
) -> list[Series]:
    """A device's numeric columns in the time range, and for booleans the share that is true.

    PostgreSQL aggregates the steps, so that a million readings become :data:`POINTS` points.
    """
    chosen = contract_named(pipeline, contract)
    key = fleet_key(chosen)
    shown = [
        column
        for column in chosen.columns
        if column.type in (*NUMBERS, "boolean") and column.name not in chosen.key
    ][:MOST_CHARTS]
    if not shown:
        return []
    step = max((end - start).total_seconds() / POINTS, 1e-3)
    values = ", ".join(_aggregates(number, column) for number, column in enumerate(shown))
    time = quote_name(key.time)
    rows = pipeline.database.query(
        f"SELECT floor(extract(epoch FROM {time} - %s) / %s)::int AS step, {values} "
        f"FROM {key.table} WHERE {quote_name(key.device)}::text = %s "
        f"AND {time} >= %s AND {time} <= %s GROUP BY 1 ORDER BY 1 LIMIT %s",
        (start, step, name, start, end, POINTS + 2),
    )
    length = end - start
    whole = max(length.total_seconds(), step)
    return [
        Series(
            column,
            [
                # A part of the whole: the last moment of all has none after it.
                (start + length * min(row["step"] * step / whole, 1.0), *found)
                for row in rows
                if (found := _numbers(row, number)) is not None
            ],
        )
        for number, column in enumerate(shown)
    ]


def _aggregates(number: int, column: Column) -> str:
    name = quote_name(column.name)
    value = f"{name}::int" if column.type == "boolean" else name
    mean = f"avg({value})::float8"
    if column.type in ("real", "float"):
        # One NaN would make the whole step NaN, and avg refuses some finite doubles.
        most = sys.float_info.max
        value = f"CASE WHEN {name} BETWEEN {-most!r}::float8 AND {most!r}::float8 THEN {name} END"
        total = scaled_sum(value, column.type)
        mean = average(total, f"count({value})", f"min({value})", f"max({value})")
    return (
        f"min({value})::float8 AS l{number}, ({mean})::float8 AS m{number}, "
        f"max({value})::float8 AS g{number}"
    )


def _numbers(row: dict[str, Any], number: int) -> tuple[float, float, float] | None:
    least, mean, most = (row[f"{kind}{number}"] for kind in "lmg")
    if mean is None or not all(math.isfinite(v) for v in (least, mean, most)):
        return None
    return float(least), float(mean), float(most)
