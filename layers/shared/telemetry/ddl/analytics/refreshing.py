"""Functions in the database: who marks spans, and who refreshes them.

They live there, not in Load, so that they always fit the tables as they are: a Load of another
version may be at work beside a deployment.
"""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from telemetry.contract.model import Contract
from telemetry.ddl.analytics.figures import figures_of
from telemetry.ddl.analytics.levels import Level, levels_of, series_columns, service_name
from telemetry.ddl.analytics.spans import figures_of_spans, kept_name, marks_name, same_series
from telemetry.ddl.names import qualified, quote_name, quote_text
from telemetry.ddl.types import sql_type

__all__ = ["SETTING", "mark_columns", "plan_functions", "plan_trigger"]

SETTING = "telemetry.marks"
"""Setting, local to a transaction: name of the table whose writes the transaction marks itself."""

SHARE = 20
"""A refresh rests for so many times as long as it worked."""

SMALL_BYTES = 256 << 20
"""Largest table of which any refresh splits a mark for everything into spans: a second's work.
For larger ones ``etl rollups refresh`` does it."""

_SAFE = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
"""Functions run as the owner, so that no other role needs rights on the tables."""


def plan_functions(contract: Contract) -> list[str]:
    """Statements that create the functions."""
    makers = (_touched, _mark, _mark_groups, _expand, _refresh)
    return [maker(contract) for maker in makers]


def plan_trigger(contract: Contract) -> str:
    """A write by a transaction that does not mark its ranges marks everything.

    It sees no rows, so COPY is as fast as without it. A trigger that is shown the rows would cost a
    tenth of the server's time, and a quarter of it where the table has partitions.
    """
    return (
        "CREATE TRIGGER telemetry_marks AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
        f"ON {qualified(contract)} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {service_name(contract, 'touched')}()"
    )


def _touched(contract: Contract) -> str:
    name = quote_text(qualified(contract))
    return f"""\
CREATE FUNCTION {service_name(contract, "touched")}() RETURNS trigger
LANGUAGE plpgsql {_SAFE} AS $function$ BEGIN
    IF current_setting('{SETTING}', true) IS DISTINCT FROM {name} THEN
        INSERT INTO {marks_name(contract)} DEFAULT VALUES;
    END IF;
    RETURN NULL;
END $function$"""


def _mark(contract: Contract) -> str:
    """Marks one span of many series: an array of text for each of their columns.

    The span is what begins its time, such as ``2026-11-23T06``. A mark is one row, however many
    series it has: a batch of a reading of each device hardly pays for it.
    """
    keys = series_columns(contract)
    arrays = ", ".join(
        f"${place}::{sql_type(contract.column(name))}[]" for place, name in enumerate(keys, 2)
    )
    kinds = ", ".join(["text", *["text[]"] * len(keys)])
    moment = "(rpad($1, 13, 'T00') || ':00:00+00')::timestamptz"
    spans = ", ".join(level.of(moment) for level in levels_of(contract))
    return f"""\
CREATE FUNCTION {service_name(contract, "mark")}({kinds}) RETURNS void
LANGUAGE sql {_SAFE} AS $function$
    INSERT INTO {marks_name(contract)} ({mark_columns(contract)})
    SELECT {", ".join([spans, *([arrays] if arrays else [])])}
$function$"""


def _mark_groups(contract: Contract) -> str:
    """Marks the spans of groups of rows that share a series, by their least and greatest times.

    Parameters: one array of text for each column of the series, then least times, greatest times
    and numbers of rows. Where a group has few rows for its time, its rows show which spans they
    are in.
    """
    time, finest = quote_name(contract.key[-1]), levels_of(contract)[0]
    keys = series_columns(contract)
    kinds = ["text[]"] * len(keys) + ["timestamptz[]"] * 2 + ["bigint[]"]
    own = [f"k{place}" for place in range(len(keys))]
    names = ", ".join([*own, "least_time", "most_time", "n"])
    series = [f"g.k{i}::{sql_type(contract.column(name))}" for i, name in enumerate(keys)]
    same = "".join(
        f"t.{quote_name(name)} = {value} AND " for name, value in zip(keys, series, strict=True)
    )
    many = f"{finest.number.format('g.least_time', 'g.most_time')} > 2 * g.n"
    arrays = ", ".join(f"${place}" for place in range(1, len(kinds) + 1))
    listed = ", ".join([*(f"{v} AS {k}" for v, k in zip(series, own, strict=True)), "span"])
    spans = ", ".join(["span", *(level.of("span") for level in levels_of(contract)[1:])])
    collected = "".join(f", array_agg({name})" for name in own)
    return f"""\
CREATE FUNCTION {service_name(contract, "mark_groups")}({", ".join(kinds)}) RETURNS void
LANGUAGE sql {_SAFE} AS $function$
    INSERT INTO {marks_name(contract)} ({mark_columns(contract)})
    SELECT {spans}{collected} FROM (
        SELECT DISTINCT {listed}
        FROM unnest({arrays}) AS g ({names})
        CROSS JOIN LATERAL (
            SELECT {finest.series.format("g.least_time", "g.most_time")} WHERE NOT {many}
            UNION ALL
            SELECT DISTINCT {finest.of(f"t.{time}")} FROM {qualified(contract)} AS t
            WHERE {many} AND {same}t.{time} BETWEEN g.least_time AND g.most_time
        ) AS spans (span)
    ) AS every GROUP BY span
$function$"""


def _expand(contract: Contract) -> str:
    """Puts marks on each span there is, in the place of those that stand for all."""
    finest, coarser = levels_of(contract)[0], levels_of(contract)[1:]
    keys = [quote_name(name) for name in series_columns(contract)]
    time = quote_name(contract.key[-1])
    spans = ", ".join([finest.column, *(level.of(finest.column) for level in coarser)])
    collected = "".join(f", array_agg({key})" for key in keys)
    series = "".join(f"{key}, " for key in keys)
    return f"""\
CREATE FUNCTION {service_name(contract, "expand")}() RETURNS void
LANGUAGE plpgsql {_SAFE} AS $function$ BEGIN
    DELETE FROM {marks_name(contract)} WHERE {finest.column} IS NULL;
    INSERT INTO {marks_name(contract)} ({mark_columns(contract)})
    SELECT {spans}{collected} FROM (
        SELECT {series}{finest.of(time)} AS {finest.column} FROM {qualified(contract)}
        UNION
        SELECT {series}{finest.column} FROM {kept_name(contract, finest)}
    ) AS every GROUP BY {finest.column};
END $function$"""


def _refresh(contract: Contract) -> str:
    """Takes the marks of the newest spans, so many series of them or one whole span, and keeps
    their figures.

    Answers how many marks it took, or NULL where another refresh is at work, or where less than
    ``least rest`` has gone by since the last one, or less than :data:`SHARE` times what that took:
    however much comes in, refreshes take a small share of the server.
    """
    levels, finest = levels_of(contract), levels_of(contract)[0]
    keys = series_columns(contract)
    columns = [*(quote_name(name) for name in keys), finest.column]
    kinds = [*(sql_type(contract.column(name)) for name in keys), finest.type]
    # No column of a contract has a blank in its name, so none can be taken for a variable.
    variables = [f'"column {place}"' for place in range(len(columns))]
    declared = "\n    ".join(f"{v} {kind}[];" for v, kind in zip(variables, kinds, strict=True))
    arrays = ", ".join(f"array_agg(s.{name})" for name in columns)
    unnested = f"unnest({', '.join(variables)}) AS m ({', '.join(columns)})"
    own = columns[:-1]
    size = f"cardinality({own[0]})" if own else "1"
    listed = ", ".join([*(f"u.{name}" for name in own), f"m.{finest.column}"])
    series = ", ".join(f"m.{name}" for name in own)
    unnesting = f" CROSS JOIN LATERAL unnest({series}) AS u ({', '.join(own)})" if own else ""
    table = f"{quote_text(qualified(contract))}::regclass"
    marks, refreshed = marks_name(contract), service_name(contract, "refreshed")
    steps = "\n".join(_keep(contract, level, unnested) for level in levels)
    return f"""\
CREATE FUNCTION {service_name(contract, "refresh")}("most series" integer, "least rest" interval)
RETURNS bigint
LANGUAGE plpgsql {_SAFE} AS $function$ DECLARE
    "began at" timestamptz := clock_timestamp();
    "marks taken" bigint;
    {declared}
BEGIN
    -- The only row of a table that only the owner may lock.
    PERFORM FROM {refreshed} FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF "least rest" > interval '0' AND "began at" < (
        SELECT refreshed_at + greatest("least rest", {SHARE} * took) FROM {refreshed}
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM {marks} WHERE {finest.column} IS NULL) AND {SMALL_BYTES} > (
        SELECT pg_relation_size({table}) + coalesce(sum(pg_relation_size(relid)), 0)
        FROM pg_partition_tree({table})
    ) THEN
        PERFORM {service_name(contract, "expand")}();
    END IF;
    WITH chosen AS (
        SELECT {finest.column} FROM (
            SELECT {finest.column}, row_number() OVER newest AS place,
                sum(sum({size})) OVER newest AS total
            FROM {marks} WHERE {finest.column} IS NOT NULL
            GROUP BY {finest.column} WINDOW newest AS (ORDER BY {finest.column} DESC)
        ) AS spans WHERE place = 1 OR total <= "most series"
    ), marks AS (
        DELETE FROM {marks} WHERE {finest.column} IN (SELECT {finest.column} FROM chosen)
        RETURNING *
    ), spans AS (SELECT DISTINCT {listed} FROM marks AS m{unnesting})
    SELECT (SELECT count(*) FROM marks), {arrays} INTO "marks taken", {", ".join(variables)}
    FROM spans AS s;
    -- Each statement from here on sees at least the rows of the marks that were taken.
{steps}
    UPDATE {refreshed} SET refreshed_at = clock_timestamp(),
        took = clock_timestamp() - "began at"
            + CASE WHEN "least rest" > interval '0' THEN interval '0' ELSE took END;
    RETURN "marks taken";
END $function$"""


def _keep(contract: Contract, level: Level, taken: str) -> str:
    """Keeps the figures of the spans, and forgets those that have no rows any more."""
    finest = levels_of(contract)[0]
    kept, span = kept_name(contract, level), quote_name(level.column)
    own = [quote_name(name) for name in series_columns(contract)]
    of = span if level == finest else level.of(f"m.{quote_name(finest.column)}")
    listed = ", ".join([*(f"m.{name}" for name in own), f"{of} AS {span}"])
    spans = f"(SELECT DISTINCT {listed} FROM {taken}) AS d"
    figures = [quote_name(figure.name) for figure in figures_of(contract)]
    names = ", ".join([*own, span, *figures])
    setting = ", ".join(f"{name} = excluded.{name}" for name in figures)
    time = f"t.{quote_name(contract.key[-1])}"
    return f"""\
    INSERT INTO {kept} AS k ({names})
    {figures_of_spans(contract, level, spans, kept_name(contract, finest))}
    ON CONFLICT ({", ".join([*own, span])}) DO UPDATE SET {setting};
    DELETE FROM {kept} AS k USING {spans}
    WHERE {same_series(contract, "k", "d")}k.{span} = d.{span} AND NOT EXISTS (
        SELECT FROM {qualified(contract)} AS t WHERE {same_series(contract, "t", "d")}
        {time} >= {level.start(f"d.{span}")} AND {time} < {level.end(f"d.{span}")});"""


def mark_columns(contract: Contract) -> str:
    """Columns of a mark: its spans, then arrays of the series, as a list."""
    levels = (level.column for level in levels_of(contract))
    return ", ".join([*levels, *(quote_name(name) for name in series_columns(contract))])
