"""The Grafana dashboard of a contract: its devices, measurements and quality, and the pipeline.

:func:`dashboard` is a pure function of the contract. It holds no address and no login: the data
sources, the stack and the region are variables that the user chooses at the top of the page.
"""

from __future__ import annotations

import hashlib
from typing import Any

from etl.connect import grafana_queries as queries
from etl.connect.grafana_panels import (
    POSTGRES,
    SCHEMA_VERSION,
    UNITS,
    Panel,
    chart,
    grid,
    metric,
    recorded_at,
    sql,
    stat,
    table,
)
from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Column, Contract
from telemetry.ddl.analytics import levels_of
from telemetry.ddl.analytics.levels import series_columns
from telemetry.metric_table import STAGES

__all__ = ["MOST_MEASUREMENTS", "dashboard", "measurements"]

MOST_MEASUREMENTS = 12
"""Most columns that are drawn; ``metrics`` under ``[analytics]`` says which come first."""


def dashboard(contract: Contract, stack: str) -> dict[str, Any]:
    """The dashboard's JSON; ``stack``: the pipeline's name, which is a variable of it."""
    identity = hashlib.sha256(f"{stack}/{contract.name}".encode()).hexdigest()[:16]
    return {
        "uid": f"etl-{identity}",
        "title": f"Telemetry: {contract.name}",
        "description": contract.description,
        "tags": ["telemetry-etl", contract.name],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "5m",
        "time": {"from": "now-24h", "to": "now"},
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables(contract, stack)},
        "panels": grid(
            [
                ("Now", 6, _now(contract), 4),
                ("All selected devices", 2, _fleet(contract), 8),
                (f"The first {queries.DETAIL_SERIES} of them", 2, _series(contract), 8),
                ("Devices", 1, _devices(contract), 9),
                ("Quality", 3, _quality(contract), 8),
                ("Micro-batches", 1, _batches(contract), 9),
                ("The whole pipeline, from CloudWatch", 3, _pipeline(), 8),
            ]
        ),
    }


def measurements(contract: Contract) -> tuple[Column, ...]:
    """The columns that are drawn; none where the key has no time to draw them over."""
    if queries.time_column(contract) is None:
        return ()
    return metrics_of(contract)[:MOST_MEASUREMENTS]


def _variables(contract: Contract, stack: str) -> list[dict[str, Any]]:
    sources = (
        ("postgres", "PostgreSQL", "grafana-postgresql-datasource"),
        ("cloudwatch", "CloudWatch", "cloudwatch"),
    )
    found: list[dict[str, Any]] = [
        {"type": "datasource", "name": name, "label": label, "query": kind, "hide": 0}
        for name, label, kind in sources
    ]
    for name in series_columns(contract):
        found.append(
            {
                "type": "query",
                "name": queries.variable(name),
                "label": name,
                "datasource": POSTGRES,
                "query": queries.devices(contract, name),
                "refresh": 2,
                "sort": 0,
                "multi": True,
                "includeAll": True,
                # Whatever it is, the column is in a list of itself.
                "allValue": f'"{name}"',
                "current": {"text": ["All"], "value": ["$__all"]},
                "hide": 0,
            }
        )
    texts = (("stack", "Stack", stack), ("region", "AWS region", "default"))
    for name, label, value in texts:
        current = {"text": value, "value": value}
        one = {"type": "textbox", "name": name, "label": label, "query": value, "hide": 0}
        found.append({**one, "current": current, "options": [{**current, "selected": True}]})
    return found


def _now(contract: Contract) -> list[Panel]:
    if not contract.analytics.views:
        return []
    checks = contract.checks
    share = [(100 * checks.warn_reject_share, "orange"), (100 * checks.max_reject_share, "red")]
    series = "devices" if series_columns(contract) == (contract.device_column,) else "series"
    found = []
    if queries.time_column(contract) is not None:
        about = f"{series.capitalize()} whose latest reading is in the range of time."
        found.append(stat(f"Reporting {series}", queries.reporting(contract), about))
    if levels_of(contract):
        about = f"{series.capitalize()} without a reading for three times their usual interval."
        limits = [(1.0, "orange")]
        found.append(stat(f"Silent {series}", queries.silent(contract), about, limits=limits))
    held = "Batches in quarantine: `etl quarantine list` shows why."
    rejected = "Rejected readings of those loaded in the range; `etl rejects show` has the bytes."
    return [
        *found,
        stat("Last load", queries.last_load(contract), "", unit="dateTimeFromNow"),
        stat("New rows", queries.rows_loaded(contract), "Loaded in the range of time."),
        stat("Rejected", queries.reject_percent(contract), rejected, unit="percent", limits=share),
        stat("Held batches", queries.quarantined(contract), held, limits=[(1.0, "red")]),
    ]


def _fleet(contract: Contract) -> list[Panel]:
    if not levels_of(contract):
        return []
    return [
        chart(
            column.name,
            [sql(queries.fleet(contract, column), series=True)],
            column.description,
            unit=_unit(column),
            band=True,
        )
        for column in measurements(contract)
    ]


def _series(contract: Contract) -> list[Panel]:
    return [
        chart(
            column.name,
            [sql(queries.series_values(contract, column), series=True)],
            f"{column.description} Choose devices at the top of the page.".strip(),
            unit=_unit(column),
        )
        for column in measurements(contract)
    ]


def _devices(contract: Contract) -> list[Panel]:
    if not contract.analytics.views or queries.time_column(contract) is None:
        return []
    about = "The latest reading of each, the oldest first."
    found = [table("Latest readings", queries.latest(contract), about)]
    if levels_of(contract):
        about = "Silence of more than three times the usual interval; those that last come first."
        found.append(table("Gaps", queries.gaps(contract), about))
    return found


def _quality(contract: Contract) -> list[Panel]:
    if not contract.analytics.views:
        return []
    results, rejects = queries.results(contract), queries.rejects(contract)
    late = "From the newest reading of a batch, by the device's clock, to the table."
    return [
        chart("Readings by result", [sql(results, series=True)], stacked=True),
        chart("Rejected, by reason", [sql(rejects, series=True)], stacked=True),
        chart("Lag", [sql(queries.lag(contract), series=True)], late, unit="s"),
    ]


def _batches(contract: Contract) -> list[Panel]:
    if not contract.analytics.views:
        return []
    about = "Rows of the ledger. New rows are those of all loads of a batch."
    return [table("Latest micro-batches", queries.batches(contract), about)]


def _pipeline() -> list[Panel]:
    stages = [
        metric("StageSeconds", stage, chr(ord("A") + number), of=stage)
        for number, stage in enumerate(STAGES)
    ]
    return [
        chart("Messages staged in S3", [metric("MessagesStaged", "messages", "A")]),
        chart(
            "Arrival to row",
            [
                metric("ArrivalToRowSeconds", "median", "A"),
                metric("ArrivalToRowSeconds", "longest", "B", statistic="Maximum"),
            ],
            "From AWS IoT Core to PostgreSQL; no device's clock is in it.",
            unit="s",
        ),
        chart(
            "Wait in the queue",
            [metric("QueueSeconds", "longest", "A")],
            recorded_at("QueueSeconds"),
            unit="s",
        ),
        chart(
            "Micro-batches",
            [
                metric("BatchesLoaded", "loaded", "A"),
                metric("BatchesQuarantined", "quarantined", "B"),
                metric("BatchesFailed", "failed", "C"),
                metric("BatchesNeedAttention", "need attention", "D"),
            ],
        ),
        chart("Duration of a stage, median", stages, recorded_at("StageSeconds"), unit="s"),
        chart("Rejected readings", [metric("RejectShare", "percent", "A")], unit="percent"),
    ]


def _unit(column: Column) -> str:
    if column.type == "boolean":
        return "percentunit"
    return UNITS.get(column.unit, f"suffix: {column.unit}") if column.unit else "short"
