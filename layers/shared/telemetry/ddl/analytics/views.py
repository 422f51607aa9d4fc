"""The public views, in the contract's schema beside its table, with a comment on each column."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.contract.model import Contract
from telemetry.ddl.analytics.figures import shown_of
from telemetry.ddl.analytics.levels import Level, levels_of, series_columns
from telemetry.ddl.analytics.spans import exact_name, same_series
from telemetry.ddl.names import qualified, quote_name, quote_text
from telemetry.ddl.service import LEDGER

__all__ = ["AHEAD", "GAP_FACTOR", "View", "public_name", "views_of"]

GAP_FACTOR = 3
"""A gap is longer than so many of the series' usual intervals."""
AHEAD = "1 minute"
"""A newest reading stamped further ahead of its load comes from a clock that is wrong: its lag is
unknown. Up to there it is 0."""
LAG = f"CASE WHEN l.max_time <= l.loaded_at + interval '{AHEAD}' THEN {{0}} END"


@dataclass(frozen=True)
class View:
    """A view of the contract's schema."""

    name: str
    """Qualified and quoted."""
    select: str
    about: str
    comments: tuple[tuple[str, str], ...] = ()
    """Columns, and the comment of each."""


def public_name(contract: Contract, ending: str) -> str:
    """Qualified and quoted name of ``<table>_<ending>``."""
    return f"{quote_name(contract.schema)}.{quote_name(f'{contract.table}_{ending}')}"


def views_of(contract: Contract) -> tuple[View, ...]:
    """All views that the contract has, in the order in which they can be made."""
    return tuple(_views(contract))


def _views(contract: Contract) -> Iterator[View]:
    if not contract.analytics.views:
        return
    if contract.column(contract.key[-1]).type == "timestamp":
        yield _latest(contract)
    levels = levels_of(contract)
    yield from (_rollup(contract, level) for level in levels)
    if levels:
        yield _gaps(contract, levels[0])
    yield _quality(contract)
    yield _quality_daily(contract)
    yield _rejects(contract)


def _described(contract: Contract, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    columns = (contract.column(name) for name in names)
    return tuple(
        (c.name, f"{c.description}{f' [{c.unit}]' if c.unit else ''}".strip()) for c in columns
    )


def _latest(contract: Contract) -> View:
    """Finds one series after another in the primary key, and the last row of each: the work grows
    with the number of series, not of rows."""
    table, time = qualified(contract), quote_name(contract.key[-1])
    names = tuple(column.name for column in contract.columns)
    listed = ", ".join(f"t.{quote_name(name)}" for name in names)
    keys = [quote_name(name) for name in series_columns(contract)]
    about = "The latest reading of each series."
    if not keys:
        select = f"SELECT {listed} FROM {table} AS t ORDER BY t.{time} DESC LIMIT 1"
        return View(public_name(contract, "latest"), select, about, _described(contract, names))
    own, of_table = ", ".join(keys), ", ".join(f"t.{key}" for key in keys)
    before = ", ".join(f"s.{key}" for key in keys)
    select = f"""\
WITH RECURSIVE series AS (
    (SELECT {of_table} FROM {table} AS t ORDER BY {of_table} LIMIT 1)
    UNION ALL
    SELECT following.* FROM series AS s CROSS JOIN LATERAL (
        SELECT {of_table} FROM {table} AS t WHERE ({of_table}) > ({before})
        ORDER BY {of_table} LIMIT 1
    ) AS following ({own})
)
SELECT latest.* FROM series AS s CROSS JOIN LATERAL (
    SELECT {listed} FROM {table} AS t WHERE {same_series(contract, "t", "s")}true
    ORDER BY {", ".join(f"t.{key} DESC" for key in keys)}, t.{time} DESC LIMIT 1
) AS latest"""
    return View(public_name(contract, "latest"), select, about, _described(contract, names))


def _rollup(contract: Contract, level: Level) -> View:
    keys = series_columns(contract)
    shown = shown_of(contract)
    listed = ", ".join(f"x.{quote_name(name)}" for name in (*keys, level.column))
    figures = ",\n    ".join(f"{item.expression} AS {quote_name(item.name)}" for item in shown)
    return View(
        public_name(contract, level.name),
        f"SELECT {listed},\n    {figures}\nFROM {exact_name(contract, level)} AS x",
        f"Measurements, {level.name}: exact at any moment, whatever has been loaded.",
        (
            *_described(contract, keys),
            (level.column, f"The {level.column}, UTC."),
            *((item.name, item.comment) for item in shown),
        ),
    )


def _gaps(contract: Contract, level: Level) -> View:
    """View of gaps from the finest figures: the gap before a span's first reading, gaps within
    those spans whose longest interval is one, and the silence since the last reading. Only spans
    that have a gap in them are read from the table. Nothing is materialized, so that a condition on
    the series reaches the primary key."""
    keys = series_columns(contract)
    time = f"t.{quote_name(contract.key[-1])}"

    def of(alias: str) -> str:
        return "".join(f"{alias}.{quote_name(name)}, " for name in keys)

    def using(one: str, other: str) -> str:
        return f"{same_series(contract, one, other)}true"

    partition = f"PARTITION BY {of('x').removesuffix(', ')} " if keys else ""
    group = f" GROUP BY {of('e').removesuffix(', ')}" if keys else ""
    span = f"e.{quote_name(level.column)}"
    seconds = "extract(epoch FROM {0})::double precision"
    select = f"""\
WITH edges AS NOT MATERIALIZED (
    SELECT x.*, lag(x.last_time) OVER ({partition}ORDER BY x.{level.column}) AS "last before"
    FROM {exact_name(contract, level)} AS x
), usual AS NOT MATERIALIZED (
    SELECT {of("e")}max(e.last_time) AS "last", percentile_cont(0.5) WITHIN GROUP (ORDER BY
        {seconds.format('e.last_time - coalesce(e."last before", e.first_time)')}
        / (e.readings - (e."last before" IS NULL)::integer)
    ) FILTER (WHERE e.readings > (e."last before" IS NULL)::integer) AS usual_seconds
    FROM edges AS e{group}
), gaps AS (
    SELECT {of("e")}e."last before" AS gap_start, e.first_time AS gap_end, u.usual_seconds
    FROM edges AS e JOIN usual AS u ON {using("u", "e")}
    WHERE e.first_time - e."last before" > {GAP_FACTOR} * u.usual_seconds * interval '1 second'
    UNION ALL
    SELECT {of("e")}w.before, w.at, u.usual_seconds
    FROM edges AS e JOIN usual AS u ON {using("u", "e")}
    CROSS JOIN LATERAL (
        SELECT {time} AS at, lag({time}) OVER (ORDER BY {time}) AS before
        FROM {qualified(contract)} AS t WHERE {same_series(contract, "t", "e")}
        {time} >= {level.start(span)} AND {time} < {level.end(span)}
    ) AS w
    WHERE e.longest > {GAP_FACTOR} * u.usual_seconds * interval '1 second'
    AND w.at - w.before > {GAP_FACTOR} * u.usual_seconds * interval '1 second'
    UNION ALL
    SELECT {of("u")}u."last", NULL, u.usual_seconds FROM usual AS u
    WHERE now() - u."last" > {GAP_FACTOR} * u.usual_seconds * interval '1 second'
)
SELECT {of("g")}g.gap_start, g.gap_end,
    {seconds.format("coalesce(g.gap_end, now()) - g.gap_start")} AS gap_seconds,
    g.usual_seconds,
    greatest(round({seconds.format("coalesce(g.gap_end, now()) - g.gap_start")}
        / nullif(g.usual_seconds, 0)) - 1, 0)::bigint AS missing_readings
FROM gaps AS g"""
    return View(
        public_name(contract, "gaps"),
        select,
        f"Silence of more than {GAP_FACTOR} times the usual interval of the series.",
        (
            *_described(contract, keys),
            ("gap_start", "Time of the last reading before the gap."),
            ("gap_end", "Time of the first reading after it; none while it lasts."),
            ("gap_seconds", "Length of the gap, so far if it lasts."),
            ("usual_seconds", "Usual interval of the series: the median over its spans of time."),
            ("missing_readings", "Number of readings that would have come in between."),
        ),
    )


_BATCH = (
    ("batch_id", "l.batch_id", "Name of the micro-batch."),
    ("status", "l.status", "loaded, quarantined or discarded."),
    ("loaded_at", "l.loaded_at", "Time of its last load."),
    ("read", "l.read", "Readings in it."),
    ("loaded", "l.inserted + l.inserted_before", "Rows that it inserted."),
    ("updated", "l.updated", "Rows that it updated."),
    ("duplicates", "l.duplicates", "Readings that equal another one in the batch."),
    (
        "already_loaded",
        "CASE WHEN l.status = 'loaded' THEN l.unchanged ELSE 0 END",
        "Readings that were in the table already.",
    ),
    (
        "conflicts",
        "l.conflicts + l.conflicts_in_table",
        "Readings with the key of another one, in the batch or the table, and other values.",
    ),
    ("rejected", "l.rejected", "Readings that could not be a row."),
    ("rejected_by", "l.rejected_by", "Number of rejected readings, by reason."),
    ("set_aside", "l.set_aside", "Messages of other kinds."),
    (
        "quarantined",
        "CASE WHEN l.status = 'quarantined' THEN l.accepted ELSE 0 END",
        "Readings held back by the checks.",
    ),
    (
        "discarded",
        "CASE WHEN l.status = 'discarded' THEN l.accepted ELSE 0 END",
        "Readings discarded by an operator.",
    ),
    ("min_time", "l.min_time", "Time of the oldest reading."),
    ("max_time", "l.max_time", "Time of the newest reading."),
    (
        "lag_seconds",
        LAG.format("extract(epoch FROM greatest(l.loaded_at - l.max_time, '0'))::double precision"),
        "From the time of the newest reading to the table; none where that time is ahead.",
    ),
)


def _quality(contract: Contract) -> View:
    columns = ",\n    ".join(f"{expression} AS {name}" for name, expression, _ in _BATCH)
    return View(
        public_name(contract, "quality"),
        f"SELECT {columns}\nFROM {LEDGER} AS l WHERE l.contract = {quote_text(contract.name)}",
        "Result of each micro-batch, from the ledger.",
        tuple((name, comment) for name, _, comment in _BATCH),
    )


_COUNTED = (
    "read", "loaded", "updated", "duplicates", "already_loaded", "conflicts",
    "rejected", "set_aside", "quarantined", "discarded",
)  # fmt: skip
_LAG = "percentile_cont({0}) WITHIN GROUP (ORDER BY q.lag_seconds)"


def _quality_daily(contract: Contract) -> View:
    comments = {name: comment for name, _, comment in _BATCH}
    sums = ",\n    ".join(f"sum(q.{name})::bigint AS {name}" for name in _COUNTED)
    return View(
        public_name(contract, "quality_daily"),
        f"""\
SELECT (q.loaded_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS batches,
    {sums},
    sum(q.rejected)::double precision / nullif(sum(q.read), 0) AS reject_share,
    {_LAG.format("0.5")} AS lag_seconds_median,
    {_LAG.format("0.95")} AS lag_seconds_p95
FROM {public_name(contract, "quality")} AS q GROUP BY 1""",
        "Results of the micro-batches of each day of loading.",
        (
            ("day", "Day of loading, UTC."),
            ("batches", "Number of micro-batches."),
            *((name, comments[name]) for name in _COUNTED),
            ("reject_share", "Share of the readings that could not be a row."),
            ("lag_seconds_median", "Median of the batches: from the newest reading to the table."),
            (
                "lag_seconds_p95",
                "95th percentile of the batches: from the newest reading to the table.",
            ),
        ),
    )


def _rejects(contract: Contract) -> View:
    return View(
        public_name(contract, "rejects"),
        f"""\
SELECT (q.loaded_at AT TIME ZONE 'UTC')::date AS day, r.key AS reason,
    sum(r.value::bigint)::bigint AS readings
FROM {public_name(contract, "quality")} AS q CROSS JOIN LATERAL jsonb_each_text(q.rejected_by) AS r
GROUP BY 1, 2""",
        "Rejected readings of each day of loading, by reason.",
        (
            ("day", "Day of loading, UTC."),
            ("reason", "Reason of the reject."),
            ("readings", "Number of readings."),
        ),
    )
