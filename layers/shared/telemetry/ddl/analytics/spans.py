"""Figures of spans as SQL: from the rows of the table, from finer figures, kept or fresh."""

# ruff: noqa: S608 - the statements are made of quoted names and literals

from __future__ import annotations

from telemetry.contract.analytics import metrics_of
from telemetry.contract.model import Contract
from telemetry.ddl.analytics.figures import figures_of
from telemetry.ddl.analytics.levels import Level, levels_of, series_columns, service_name
from telemetry.ddl.names import qualified, quote_name

__all__ = [
    "exact_name",
    "exact_view",
    "figures_of_spans",
    "kept_name",
    "marked_spans",
    "marks_name",
    "same_series",
]


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


def marked_spans(contract: Contract, level: Level, alias: str) -> str:
    """The spans that have a mark, each once; a mark has the series of one batch in arrays."""
    keys = [quote_name(name) for name in series_columns(contract)]
    listed = ", ".join([*(f"u.{key}" for key in keys), f"m.{level.column}"])
    return (
        f"(SELECT DISTINCT {listed} FROM {marks_name(contract)} AS m{_unnested(keys)} "
        f"WHERE m.{level.column} IS NOT NULL) AS {alias}"
    )


def is_marked(contract: Contract, level: Level, alias: str) -> str:
    """Condition that the span of ``alias`` has a mark; its negation is one hash of all marks."""
    keys = [quote_name(name) for name in series_columns(contract)]
    same = "".join(f"u.{key} = {alias}.{key} AND " for key in keys)
    return (
        f"EXISTS (SELECT FROM {marks_name(contract)} AS m{_unnested(keys)} "
        f"WHERE {same}m.{level.column} = {alias}.{level.column})"
    )


def _unnested(keys: list[str]) -> str:
    if not keys:
        return ""
    arrays, names = ", ".join(f"m.{key}" for key in keys), ", ".join(keys)
    return f" CROSS JOIN LATERAL unnest({arrays}) AS u ({names})"


def exact_view(contract: Contract, level: Level) -> str:
    """SELECT of a level's view: kept where there is no mark, fresh where there is one.

    Conditions on series and span reach all three parts, so a reader pays for what is asked for.
    """
    levels = levels_of(contract)
    kept = ", ".join(f"h.{quote_name(figure.name)}" for figure in figures_of(contract))
    any_span = (
        f"EXISTS (SELECT FROM {marks_name(contract)} AS m WHERE m.{levels[0].column} IS NULL)"
    )
    if level == levels[0]:
        spans = marked_spans(contract, level, "d")
        fresh = f"{figures_of_spans(contract, level, spans, '')} WHERE NOT {any_span}"
    else:
        fresh = _fresh_from_finer(contract, level, any_span)
    return (
        f"SELECT {_span_columns(contract, level, 'h')}, {kept}\n"
        f"FROM {kept_name(contract, level)} AS h\n"
        f"WHERE NOT {is_marked(contract, level, 'h')} AND NOT {any_span}\n"
        f"UNION ALL\n{fresh}\n"
        f"UNION ALL\n{_all_spans(contract, level, any_span)}"
    )


def _fresh_from_finer(contract: Contract, level: Level, any_span: str) -> str:
    """Marked spans of a coarser level: what is kept of their finer ones without a mark, and those
    with one from the rows. Sets are joined, so the work is that of the spans alone."""
    finest = levels_of(contract)[0]
    names = [quote_name(figure.name) for figure in figures_of(contract)]
    keys = [quote_name(name) for name in series_columns(contract)]
    start, end = (side(f"d.{level.column}") for side in (level.start, level.end))
    kept = (
        f"SELECT {_span_columns(contract, level, 'd')}, {', '.join(f'h.{name}' for name in names)} "
        f"FROM {marked_spans(contract, level, 'd')} JOIN {kept_name(contract, finest)} AS h "
        f"ON {same_series(contract, 'h', 'd')}h.{finest.column} >= {start} "
        f"AND h.{finest.column} < {end} "
        f"WHERE NOT {is_marked(contract, finest, 'h')}"
    )
    span = level.of(f"r.{finest.column}")
    listed = ", ".join([*(f"r.{key}" for key in keys), span, *(f"r.{name}" for name in names)])
    of_rows = figures_of_spans(contract, finest, marked_spans(contract, finest, "d"), "")
    own = ", ".join([*keys, level.column])
    figures = ", ".join(figure.of_figures for figure in figures_of(contract))
    mine = ", ".join([*(f"f.{key}" for key in keys), f"f.{level.column}"])
    return (
        f"SELECT {mine}, {figures} FROM ({kept}\nUNION ALL\n"
        f"SELECT {listed} FROM ({of_rows}) AS r"
        f") AS f ({own}, {', '.join(names)}) WHERE NOT {any_span} GROUP BY {mine}"
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
