"""SQL of the Grafana dashboard: pure functions of the contract, for the analyst's login.

``$__timeFilter``, ``$__timeGroupAlias`` and ``$__interval`` are Grafana's macros for PostgreSQL:
https://grafana.com/docs/grafana/latest/datasources/postgres/query-editor/ (read 2026-11). Their
arguments end at the first parenthesis, so none has one.

Averages are computed as ``numeric``: PostgreSQL's own ``avg`` of doubles fails with an error where
a device has sent numbers near the greatest double.
"""

# ruff: noqa: S608 - all names in the statements are plain identifiers by the contract's rules

from __future__ import annotations

from telemetry.contract.model import Column, Contract
from telemetry.ddl import qualified, quote_name
from telemetry.ddl.analytics import levels_of
from telemetry.ddl.analytics.levels import Level, series_columns
from telemetry.ddl.analytics.views import public_name

__all__ = [
    "DETAIL_SERIES",
    "batches",
    "devices",
    "fleet",
    "gaps",
    "lag",
    "last_load",
    "latest",
    "quarantined",
    "reject_percent",
    "rejects",
    "reporting",
    "results",
    "rows_loaded",
    "series_values",
    "silent",
    "time_column",
    "variable",
]

DETAIL_SERIES = 20
"""Most series that are drawn one by one; a chart with more lines than this can't be read."""
DETAIL_SECONDS = 2 * 86_400
"""Longest range of time whose readings are read one by one; a longer one is read from a rollup."""
LISTED = 500
RESULTS = (
    ("loaded", "new rows"),
    ("updated", "rows updated"),
    ("already_loaded", "rows unchanged"),
    ("duplicates", "duplicates in a batch"),
    ("conflicts", "conflicts"),
    ("rejected", "rejected"),
    ("set_aside", "set aside"),
    ("quarantined", "quarantined"),
    ("discarded", "discarded"),
)
"""Columns of the view ``quality`` that are drawn, and their labels."""


def time_column(contract: Contract) -> str | None:
    """The timestamp that ends the key; ``None`` where it ends with another type."""
    last = contract.key[-1]
    return last if contract.column(last).type == "timestamp" else None


def variable(column: str) -> str:
    """Name of the dashboard's variable for a column of the key; no other one begins so."""
    return f"key_{column}"


def devices(contract: Contract, column: str) -> str:
    """The values of one column of the key, for a variable of the dashboard."""
    name = quote_name(column)
    return f"SELECT DISTINCT {name}::text FROM {_series_source(contract)} ORDER BY 1"


def reporting(contract: Contract) -> str:
    """Number of series whose latest reading is in the range of time."""
    time = quote_name(contract.key[-1])
    where = _where(contract, f"$__timeFilter({time})")
    return f"SELECT count(*) AS series\nFROM {public_name(contract, 'latest')}\n{where}"


def silent(contract: Contract) -> str:
    """Number of series that are silent for longer than usual, now."""
    where = _where(contract, "gap_end IS NULL")
    return f"SELECT count(*) AS series\nFROM {public_name(contract, 'gaps')}\n{where}"


def last_load(contract: Contract) -> str:
    """Time of the last load, in milliseconds since 1970."""
    return (
        "SELECT extract(epoch FROM max(loaded_at)) * 1000 AS last_load\n"
        f"FROM {public_name(contract, 'quality')}\nWHERE status = 'loaded'"
    )


def rows_loaded(contract: Contract) -> str:
    """Number of rows that batches of the range of time have inserted."""
    return _of_batches(contract, "coalesce(sum(loaded), 0) AS rows")


def reject_percent(contract: Contract) -> str:
    """Percent of the readings that could not become rows."""
    return _of_batches(contract, "100.0 * sum(rejected) / nullif(sum(read), 0) AS rejected")


def quarantined(contract: Contract) -> str:
    """Number of batches that the checks hold back, whenever they came."""
    return (
        f"SELECT count(*) AS batches\nFROM {public_name(contract, 'quality')}\n"
        "WHERE status = 'quarantined'"
    )


def fleet(contract: Contract, column: Column) -> str:
    """Least, average and greatest value of the selected series, from the finest rollup."""
    level = levels_of(contract)[0]
    further = [name for name in series_columns(contract) if name != contract.device_column]
    labels = "".join(
        f"{quote_name(name)}::text AS {quote_name(name)},\n       " for name in further
    )
    group = ", ".join(str(number) for number in range(1, len(further) + 2))
    where = _where(contract, f"$__timeFilter({_moment(level)})")
    return (
        f'SELECT {_moment(level)} AS "time",\n       {labels}{_figures(column)}\n'
        f"FROM {public_name(contract, level.name)}\n{where}\nGROUP BY {group}\nORDER BY 1"
    )


def series_values(contract: Contract, column: Column) -> str:
    """Values of the first selected series, one line for each.

    Up to :data:`DETAIL_SECONDS` from the readings themselves, beyond that from the finest rollup:
    PostgreSQL does not touch the part whose condition on the range is false.
    """
    levels = levels_of(contract)
    rows = _readings(contract, column, bounded=bool(levels))
    if not levels:
        return f"{rows}\nORDER BY 1"
    level = levels[0]
    figure = quote_name(f"{column.name}_{'share' if column.type == 'boolean' else 'avg'}")
    where = _all_of(
        f"$__timeFilter({_moment(level)})",
        f"$__unixEpochTo() - $__unixEpochFrom() > {DETAIL_SECONDS}",
        *_first_series(contract),
    )
    rollup = (
        f'SELECT extract(epoch FROM {_moment(level)}) AS "time",\n'
        f'       {_series_name(contract)} AS "metric",\n       {figure}::numeric\n'
        f"FROM {public_name(contract, level.name)}\n{where}"
    )
    return f"{rows}\nUNION ALL\n{rollup}\nORDER BY 1"


def latest(contract: Contract) -> str:
    """The latest reading of each selected series, the oldest first."""
    lines = ["SELECT *", f"FROM {public_name(contract, 'latest')}", _where(contract)]
    lines += [f"ORDER BY {quote_name(contract.key[-1])}", f"LIMIT {LISTED}"]
    return "\n".join(line for line in lines if line)


def gaps(contract: Contract) -> str:
    """Gaps that touch the range of time, those that last first."""
    where = _where(
        contract,
        "gap_start <= $__timeTo()",
        "(gap_end IS NULL OR gap_end >= $__timeFrom())",
    )
    return (
        f"SELECT *\nFROM {public_name(contract, 'gaps')}\n{where}\n"
        f"ORDER BY gap_end DESC NULLS FIRST, gap_seconds DESC\nLIMIT {LISTED}"
    )


def results(contract: Contract) -> str:
    """Readings by their result, by the time of loading."""
    sums = ",\n       ".join(f'sum({name}) AS "{label}"' for name, label in RESULTS)
    return _over_time(contract, sums)


def lag(contract: Contract) -> str:
    """Seconds from the newest reading of a batch to the table."""
    figures = (
        'percentile_cont(0.5) WITHIN GROUP (ORDER BY lag_seconds) AS "median",\n'
        '       max(lag_seconds) AS "longest"'
    )
    return _over_time(contract, figures)


def rejects(contract: Contract) -> str:
    """Rejected readings by reason, by the time of loading."""
    return (
        'SELECT $__timeGroupAlias(loaded_at, $__interval),\n       reason.key AS "metric",\n'
        '       sum(reason.value::bigint) AS "readings"\n'
        f"FROM {public_name(contract, 'quality')}\n"
        "CROSS JOIN LATERAL jsonb_each_text(rejected_by) AS reason\n"
        "WHERE $__timeFilter(loaded_at)\nGROUP BY 1, 2\nORDER BY 1"
    )


def batches(contract: Contract) -> str:
    """The latest micro-batches with their counts."""
    return (
        "SELECT loaded_at, status, read, loaded, updated, already_loaded, duplicates, conflicts,\n"
        "       rejected, set_aside, quarantined, discarded, lag_seconds, batch_id\n"
        f"FROM {public_name(contract, 'quality')}\n"
        f"WHERE $__timeFilter(loaded_at)\nORDER BY loaded_at DESC\nLIMIT {LISTED}"
    )


def _of_batches(contract: Contract, figure: str) -> str:
    quality = public_name(contract, "quality")
    return f"SELECT {figure}\nFROM {quality}\nWHERE $__timeFilter(loaded_at)"


def _over_time(contract: Contract, figures: str) -> str:
    return (
        f"SELECT $__timeGroupAlias(loaded_at, $__interval),\n       {figures}\n"
        f"FROM {public_name(contract, 'quality')}\n"
        "WHERE $__timeFilter(loaded_at)\nGROUP BY 1\nORDER BY 1"
    )


def _figures(column: Column) -> str:
    """Aggregates over the rollup's figures of many series; averages are weighted."""
    name = column.name
    mean = "share" if column.type == "boolean" else "avg"
    average = f'sum("{name}_{mean}"::numeric * "{name}_count") / nullif(sum("{name}_count"), 0)'
    if column.type == "boolean":
        return f'{average} AS "share"'
    return (
        f'min("{name}_min") AS "least",\n       {average} AS "average",\n'
        f'       max("{name}_max") AS "greatest"'
    )


def _readings(contract: Contract, column: Column, *, bounded: bool) -> str:
    name, time = quote_name(column.name), quote_name(contract.key[-1])
    value = f"{name}::integer" if column.type == "boolean" else f"{name}::numeric"
    bound = f"$__unixEpochTo() - $__unixEpochFrom() <= {DETAIL_SECONDS}"
    bounds = [bound] if bounded else []
    where = _all_of(f"$__timeFilter({time})", *bounds, *_first_series(contract))
    return (
        f"SELECT $__timeGroupAlias({time}, $__interval),\n"
        f'       {_series_name(contract)} AS "metric",\n       avg({value}) AS {name}\n'
        f"FROM {qualified(contract)}\n{where}\nGROUP BY 1, 2"
    )


def _where(contract: Contract, *conditions: str) -> str:
    """The conditions, and those of the dashboard's variables; empty where there are none.

    Each variable has the column itself as its value for "all", which is true for every row.
    """
    columns = series_columns(contract)
    return _all_of(*conditions, *(f"{quote_name(name)} IN (${variable(name)})" for name in columns))


def _all_of(*conditions: str) -> str:
    return "WHERE " + "\n  AND ".join(conditions) if conditions else ""


def _first_series(contract: Contract) -> tuple[str, ...]:
    """A condition that keeps the first selected series; none where there is only one."""
    columns = series_columns(contract)
    if not columns:
        return ()
    listed = ", ".join(quote_name(name) for name in columns)
    chosen = _where(contract).replace("\n  AND", " AND")
    condition = (
        f"({listed}) IN (\n    SELECT DISTINCT {listed} FROM {_series_source(contract)}\n"
        f"    {chosen}\n    ORDER BY {listed} LIMIT {DETAIL_SERIES}\n  )"
    )
    return (condition,)


def _series_source(contract: Contract) -> str:
    """Relation that names the series at the least cost: the view ``latest``, else the table."""
    seen = contract.analytics.views and time_column(contract) is not None
    return public_name(contract, "latest") if seen else qualified(contract)


def _series_name(contract: Contract) -> str:
    columns = series_columns(contract)
    if not columns:
        return f"'{contract.table}'"
    return f"concat_ws(' ', {', '.join(quote_name(name) for name in columns)})"


def _moment(level: Level) -> str:
    """A rollup's span as a moment, without a parenthesis, at which a macro's argument ends."""
    return quote_name("hour") if level.column == "hour" else "\"day\"::timestamp AT TIME ZONE 'UTC'"
