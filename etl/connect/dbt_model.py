"""An example model for dbt: each device's days, with how complete they are."""

# ruff: noqa: S608 - all names in the statement are plain identifiers by the contract's rules

from __future__ import annotations

from typing import Any

from etl.connect.dbt_sources import source_name, unique_together
from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Contract
from telemetry.ddl.analytics import levels_of
from telemetry.ddl.analytics.levels import series_columns

__all__ = ["example_model", "model_name", "model_properties"]

OWN = {"day", "readings", "first_time", "last_time", "usual_readings", "completeness"}
"""Columns of the model beside the key's; one of these names in a key leaves no room for it."""


def model_name(contract: Contract) -> str:
    """``fleet_days``"""
    return f"{source_name(contract)}_days"


def example_model(contract: Contract) -> str | None:
    """The model's SQL; ``None`` where there is no rollup, or no series to have days."""
    levels, keys = levels_of(contract), series_columns(contract)
    if not levels or not keys or OWN & set(keys):
        return None
    level = levels[-1]
    day = '"day"' if level.column == "day" else "(\"hour\" at time zone 'UTC')::date"
    listed = ", ".join(f'"{name}"' for name in keys)
    averages = "".join(
        f',\n        sum("{name}_{mean}"::numeric * "{name}_count")'
        f' / nullif(sum("{name}_count"), 0) as "{name}_{mean}"'
        for name, mean in _means(contract)
    )
    group = ", ".join(str(number) for number in range(1, len(keys) + 2))
    source = f"{{{{ source('{source_name(contract)}', '{contract.table}_{level.name}') }}}}"
    return f"""\
-- The days of each device, and how complete they are: readings of a day by those of a usual one.
-- A start: `etl connect dbt` never writes it again once it is there.
with days as (
    select
        {listed},
        {day} as "day",
        sum("readings") as "readings",
        min("first_time") as "first_time",
        max("last_time") as "last_time"{averages}
    from {source}
    group by {group}
),

usual as (
    select {listed}, percentile_cont(0.5) within group (order by "readings") as "usual_readings"
    from days
    group by {listed}
)

select
    days.*,
    usual."usual_readings",
    "readings"::double precision / usual."usual_readings" as "completeness"
from days
inner join usual using ({listed})
"""


def model_properties(contract: Contract) -> dict[str, Any]:
    """The content of its properties file: descriptions and tests."""
    keys = series_columns(contract)
    columns: list[dict[str, Any]] = [
        *({"name": name, "quote": True, "data_tests": ["not_null"]} for name in keys),
        {"name": "day", "quote": True, "description": "Day, UTC.", "data_tests": ["not_null"]},
        {"name": "readings", "description": "Readings of the day."},
        {"name": "usual_readings", "description": "Median of the readings of its days."},
        {
            "name": "completeness",
            "description": "Readings of the day by those of a usual day; about 1 where none miss.",
            "data_tests": [{"in_range": {"arguments": {"least": 0}}}],
        },
    ]
    model = {
        "name": model_name(contract),
        "description": "The days of each device, and how complete they are.",
        "data_tests": [unique_together((*keys, "day"))],
        "columns": columns,
    }
    return {"models": [model]}


def _means(contract: Contract) -> list[tuple[str, str]]:
    return [
        (column.name, "share" if column.type == "boolean" else "avg")
        for column in metrics_of(contract)
    ]
