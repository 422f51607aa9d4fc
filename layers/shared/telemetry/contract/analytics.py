"""The ``[analytics]`` table of a contract: which views are made, and what they count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from telemetry.contract.model import Analytics, Column, Contract, Rollup
from telemetry.contract.problems import Problem
from telemetry.contract.reader import Reader

__all__ = ["ANALYTICS_KEYS", "ANALYTICS_RULES", "metrics_of", "read_analytics", "rolls_up"]

ANALYTICS_KEYS = ("views", "rollups", "metrics")
NUMBERS = ("smallint", "integer", "bigint", "real", "float", "decimal")
MAX_NAME = 63
LONGEST_ENDING = "_quality_daily"
"""Prefix of the views' names."""
METRIC_ENDINGS = ("_min", "_max", "_avg", "_count", "_sum", "_share", "_true")
MAX_METRICS = 300
"""Four columns each, and a table holds 1,600."""
OWN_COLUMNS = (
    "hour", "day", "readings", "first_time", "last_time", "longest",
    "gap_start", "gap_end", "gap_seconds", "usual_seconds", "missing_readings",
)  # fmt: skip
"""Columns of rollups and gaps, beside the key's and the metrics'."""


def read_analytics(reader: Reader, table: dict[str, Any]) -> Analytics:
    """Reads the table, and notes what is wrong with it."""
    reader.only(table, "analytics.", ANALYTICS_KEYS)
    plain = Analytics()
    return Analytics(
        views=reader.take(table, "analytics.", "views", bool, plain.views),
        rollups=_rollups(reader, table, plain.rollups),
        metrics=_metrics(reader, table),
    )


def metrics_of(contract: Contract) -> tuple[Column, ...]:
    """Columns that rollups aggregate: those named, else all numbers and booleans beside the key."""
    named = contract.analytics.metrics
    if named is not None:
        return tuple(contract.column(name) for name in named)
    return tuple(
        column
        for column in contract.columns
        if column.type in (*NUMBERS, "boolean") and column.name not in contract.key
    )


def rolls_up(contract: Contract) -> bool:
    """True if there are rollups: they are wanted, and the key ends with a timestamp."""
    analytics = contract.analytics
    return bool(analytics.views and analytics.rollups) and _has_time(contract)


def _has_time(contract: Contract) -> bool:
    types = {column.name: column.type for column in contract.columns}
    return bool(contract.key) and types.get(contract.key[-1]) == "timestamp"


def _rollups(reader: Reader, table: dict[str, Any], default: tuple[Rollup, ...]) -> Any:
    if "rollups" not in table:
        return default
    value, known = table["rollups"], get_args(Rollup)
    if not isinstance(value, list) or any(name not in known for name in value):
        wanted = ", ".join(repr(name) for name in known)
        reader.note("analytics.rollups", f"{value!r} is not valid; write a list of {wanted}")
        return default
    return tuple(name for name in known if name in value)


def _metrics(reader: Reader, table: dict[str, Any]) -> tuple[str, ...] | None:
    if "metrics" not in table:
        return None
    return tuple(dict.fromkeys(reader.texts(table, "analytics.", "metrics")))


def views_have_room_for_their_names(contract: Contract) -> Iterator[Problem]:
    """PostgreSQL cuts longer names in silence."""
    room = MAX_NAME - len(LONGEST_ENDING)
    if contract.analytics.views and room < len(contract.table) <= MAX_NAME:
        yield Problem(
            "table.name",
            f"leaves no room for its views ({contract.table}{LONGEST_ENDING}); shorten it to "
            f"{room} bytes, or write views = false under [analytics]",
        )


def metrics_can_be_counted(contract: Contract) -> Iterator[Problem]:
    """Each is a column of numbers or booleans, outside the key."""
    named = contract.analytics.metrics or ()
    types = {column.name: column.type for column in contract.columns}
    for name in named:
        if name not in types:
            yield Problem("analytics.metrics", f"{name!r} is not a column; add [columns.{name}]")
        elif types[name] not in (*NUMBERS, "boolean"):
            yield Problem(
                "analytics.metrics",
                f"{name!r} is a {types[name]}; only numbers and booleans can be rolled up",
            )
        elif name in contract.key:
            yield Problem("analytics.metrics", f"{name!r} is in the key; remove it here")


def rollups_fit_a_table(contract: Contract) -> Iterator[Problem]:
    """Names are short enough, none comes twice, and there aren't too many."""
    if not rolls_up(contract) or next(metrics_can_be_counted(contract), None) is not None:
        return
    metrics = [column.name for column in metrics_of(contract)]
    if len(metrics) > MAX_METRICS:
        yield Problem(
            "analytics.metrics",
            f"{len(metrics)} columns are more than the {MAX_METRICS} that rollups hold; name "
            "those that matter, as in ['temperature']",
        )
    room = MAX_NAME - max(map(len, METRIC_ENDINGS))
    for name in metrics:
        if room < len(name) <= MAX_NAME:
            yield Problem(
                f"columns.{name}",
                f"leaves no room for {name}_count in rollups; shorten it to {room} bytes, or name "
                "the other columns in metrics under [analytics]",
            )
    made = {f"{name}{ending}" for name in metrics for ending in METRIC_ENDINGS}
    for name in contract.key[:-1]:
        if name in OWN_COLUMNS or name in made:
            yield Problem(
                f"columns.{name}",
                "is a column of the rollups as well; rename it, or write rollups = [] under "
                "[analytics]",
            )


ANALYTICS_RULES = (
    views_have_room_for_their_names,
    metrics_can_be_counted,
    rollups_fit_a_table,
)
