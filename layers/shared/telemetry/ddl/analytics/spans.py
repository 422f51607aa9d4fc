"""Figures of spans as SQL: from the rows of the table, from finer figures, kept or fresh."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Contract
from telemetry.ddl.analytics.figures import figures_of
from telemetry.ddl.analytics.levels import Level, levels_of, series_columns, service_name
from telemetry.ddl.names import qualified, quote_name

__all__ = ["exact_name", "exact_view", "figures_of_spans", "kept_name", "marks_name", "same_series"]


def kept_name(contract: Contract, level: Level) -> str:
    """The table that keeps a level's figures."""
    return service_name(contract, level.name)


def marks_name(contract: Contract) -> str:
    """The table of marks."""
    return service_name(contract, "marks")


def exact_name(contract: Contract, level: Level) -> str:
    """The view of a level's figures that is always right."""
    return service_name(contract, f"{level.name}_exact")


def same_series(contract: Contract, one: str, other: str) -> str:
    """Condition that two aliases are of one series; ends with ``AND`` where there is one."""
    return "".join(
        f"{one}.{quote_name(name)} = {other}.{quote_name(name)} AND "
        for name in series_columns(contract)
    )


def figures_of_spans(contract: Contract, level: Level, spans: str, finer: str) -> str:
    """SELECT of series, span and figures of those ``spans`` (aliased ``d``) that have rows.

    Of the finest level each span is one range of the primary key; of another one, of ``finer``.
    """
    names = _span_columns(contract, level, "d")
    figures = figures_of(contract)
    finest = levels_of(contract)[0]
    if level == finest:
        inner = ", ".join(f"{figure.of_rows} AS {quote_name(figure.name)}" for figure in figures)
        source = _rows_of_span(contract, level)
    else:
        inner = ", ".join(f"{figure.of_figures} AS {quote_name(figure.name)}" for figure in figures)
        source = _figures_of_span(contract, level, finer)
    outer = ", ".join(f"a.{quote_name(figure.name)}" for figure in figures)
    return (
        f"SELECT {names}, {outer} FROM {spans} "
        f"CROSS JOIN LATERAL (SELECT {inner} FROM {source} HAVING count(*) > 0) AS a"
    )


def exact_view(contract: Contract, level: Level) -> str:
    """SELECT of a level's view: kept where there is no mark, fresh where there is one.

    Conditions on series and span reach all three parts, so a reader pays for what is asked for.
    """
    finest = levels_of(contract)[0]
    figures = figures_of(contract)
    kept = ", ".join(f"h.{quote_name(figure.name)}" for figure in figures)
    name = quote_name(level.column)
    marks = marks_name(contract)
    coarsest = quote_name(levels_of(contract)[-1].column)
    any_span = f"EXISTS (SELECT FROM {marks} AS m WHERE m.{coarsest} IS NULL)"
    marked = f"{same_series(contract, 'm', 'h')}m.{name} = h.{name}"
    if level == finest and (coarser := levels_of(contract)[1:]):
        # By the index of the marks, which begins with the day.
        day = coarser[0]
        marked = f"m.{quote_name(day.column)} = {day.of(f'h.{name}')} AND {marked}"
    columns = ", ".join(
        f"m.{quote_name(column)}" for column in (*series_columns(contract), level.column)
    )
    spans = f"(SELECT DISTINCT {columns} FROM {marks} AS m WHERE m.{name} IS NOT NULL) AS d"
    return (
        f"SELECT {_span_columns(contract, level, 'h')}, {kept}\n"
        f"FROM {kept_name(contract, level)} AS h\n"
        f"WHERE NOT EXISTS (SELECT FROM {marks} AS m WHERE {marked}) AND NOT {any_span}\n"
        f"UNION ALL\n"
        f"{figures_of_spans(contract, level, spans, exact_name(contract, finest))} "
        f"WHERE NOT {any_span}\n"
        f"UNION ALL\n"
        f"{_all_spans(contract, level, any_span)}"
    )


def _all_spans(contract: Contract, level: Level, condition: str) -> str:
    """Every span of the table, from its rows; runs only where the condition holds."""
    time = quote_name(contract.key[-1])
    span = level.of(f"s.{time}")
    names = [f"s.{quote_name(name)}" for name in series_columns(contract)]
    figures = ", ".join(figure.of_rows for figure in figures_of(contract))
    before = f"lag(t.{time}) OVER series"
    within = f"{level.of(before)} = {level.of(f't.{time}')}"
    window = ", ".join(f"t.{quote_name(name)}" for name in series_columns(contract))
    partition = f"PARTITION BY {window} " if window else ""
    rows = (
        f"SELECT {_needed(contract)}, CASE WHEN {within} THEN t.{time} - {before} END "
        f'AS "gap between" FROM {qualified(contract)} AS t '
        f"WINDOW series AS ({partition}ORDER BY t.{time})"
    )
    return (
        f"SELECT {', '.join([*names, span])}, {figures} FROM ({rows}) AS s WHERE {condition} "
        f"GROUP BY {', '.join([*names, span])}"
    )


def _span_columns(contract: Contract, level: Level, alias: str) -> str:
    columns = (*series_columns(contract), level.column)
    return ", ".join(f"{alias}.{quote_name(name)}" for name in columns)


def _needed(contract: Contract) -> str:
    """Columns of the table that figures are made of."""
    metrics = (column.name for column in metrics_of(contract))
    return ", ".join(f"t.{quote_name(name)}" for name in dict.fromkeys((*contract.key, *metrics)))


def _rows_of_span(contract: Contract, level: Level) -> str:
    """Rows of the table in the span ``d``, with the gap before each but the first."""
    time, span = quote_name(contract.key[-1]), f"d.{quote_name(level.column)}"
    return (
        f"(SELECT {_needed(contract)}, t.{time} - lag(t.{time}) OVER (ORDER BY t.{time}) "
        f'AS "gap between" FROM {qualified(contract)} AS t '
        f"WHERE {same_series(contract, 't', 'd')}"
        f"t.{time} >= {level.start(span)} AND t.{time} < {level.end(span)}) AS s"
    )


def _figures_of_span(contract: Contract, level: Level, source: str) -> str:
    finest = levels_of(contract)[0]
    fine, span = f"f.{quote_name(finest.column)}", f"d.{quote_name(level.column)}"
    return (
        f"(SELECT f.* FROM {source} AS f WHERE {same_series(contract, 'f', 'd')}"
        f"{fine} >= {level.start(span)} AND {fine} < {level.end(span)}) AS f"
    )
