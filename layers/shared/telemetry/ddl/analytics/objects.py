"""Plan of the objects for analysts: from those that exist to those of the contract.

What keeps data (figures and marks) is changed as little as it can be; all else is dropped and
recreated whenever its definition differs, which a digest in a comment shows.
"""

# ruff: noqa: S608 - the statements are made of quoted names

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from telemetry.contract.model import Contract
from telemetry.ddl.analytics.figures import figures_of
from telemetry.ddl.analytics.levels import (
    DAILY,
    HOURLY,
    Level,
    levels_of,
    series_columns,
    service_name,
)
from telemetry.ddl.analytics.refreshing import plan_functions, plan_trigger
from telemetry.ddl.analytics.spans import exact_name, exact_view, kept_name, marks_name
from telemetry.ddl.analytics.views import View, public_name, views_of
from telemetry.ddl.names import NAME_BYTES, qualified, quote_name, quote_text
from telemetry.ddl.types import sql_type
from telemetry.errors import ContractError

__all__ = ["AnalyticsPlan", "ExistingAnalytics", "keeper_names", "plan_analytics", "view_names"]

ENDINGS = ("latest", "hourly", "daily", "gaps", "quality", "quality_daily", "rejects")
FUNCTIONS = ("touched", "mark", "mark_groups", "expand", "refresh")
OURS = "Made by Telemetry ETL"
"""Part of the comment of each of our views, so that no other view is ever dropped."""


@dataclass(frozen=True)
class ExistingAnalytics:
    """An existing object, as the catalogue describes it."""

    views: Mapping[str, str | None] = field(default_factory=dict)
    """Relations that are there by one of our names, and their comments."""
    kept: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Names and types of the columns of kept tables and marks, by the table's name."""


@dataclass(frozen=True)
class AnalyticsPlan:
    """Statements for before and after the change of the contract's table."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def view_names(contract: Contract) -> tuple[str, ...]:
    """Qualified names of every view there could be, in an order in which they can be dropped.

    A table with a long name, which has no views, has no room for the names of some.
    """
    exact = (exact_name(contract, level) for level in (DAILY, HOURLY))
    fitting = [e for e in ENDINGS if len(f"{contract.table}_{e}".encode()) <= NAME_BYTES]
    return (*(public_name(contract, ending) for ending in reversed(fitting)), *exact)


def keeper_names(contract: Contract) -> tuple[str, ...]:
    """Qualified names of every table that may exist, with or without the current contract."""
    kept = (kept_name(contract, level) for level in (HOURLY, DAILY))
    return (*kept, marks_name(contract), service_name(contract, "refreshed"))


def plan_analytics(
    contract: Contract, existing: ExistingAnalytics, added: frozenset[str] = frozenset()
) -> AnalyticsPlan:
    """Statements of the migration; none where all objects are as they should be.

    ``added`` are columns that the table is given in the same migration: no row has a value there.
    Raises :class:`ContractError` where a name is taken by something that is not ours.
    """
    _refuse_strangers(contract, existing)
    views = _all_views(contract)
    digest = _digest(contract, views)
    ours = {name for name, comment in existing.views.items() if digest in (comment or "")}
    if ours == set(existing.views) == {view.name for view in views}:
        return AnalyticsPlan()
    return AnalyticsPlan(
        before=tuple(_drops(contract, existing)),
        after=tuple(_creations(contract, existing, added, views, digest)),
    )


def _all_views(contract: Contract) -> tuple[View, ...]:
    """The public ones, and those that they are made of."""
    exact = (
        View(
            exact_name(contract, level),
            exact_view(contract, level),
            f"Figures of {qualified(contract)}, {level.name}, kept or fresh.",
        )
        for level in levels_of(contract)
    )
    return (*exact, *views_of(contract))


def _digest(contract: Contract, views: tuple[View, ...]) -> str:
    types = [(column.name, sql_type(column)) for column in contract.columns]
    functions = plan_functions(contract) if levels_of(contract) else []
    definition = repr((contract.key, types, views, functions))
    return hashlib.sha256(definition.encode()).hexdigest()[:12]


def _refuse_strangers(contract: Contract, existing: ExistingAnalytics) -> None:
    strangers = [name for name, comment in existing.views.items() if OURS not in (comment or "")]
    if strangers and contract.analytics.views:
        raise ContractError(
            f"{', '.join(strangers)} is there already and was not made by this pipeline: rename "
            "it, or give the contract's table another name, or write views = false under "
            "[analytics]."
        )


def _drops(contract: Contract, existing: ExistingAnalytics) -> Iterator[str]:
    """Views before what they are made of; a reader takes its locks in the same order."""
    names = [name for name in view_names(contract) if OURS in (existing.views.get(name) or "")]
    if names:
        yield f"DROP VIEW {', '.join(names)}"
    if existing.kept:
        yield f"DROP TRIGGER IF EXISTS telemetry_marks ON {qualified(contract)}"
        functions = ", ".join(service_name(contract, part) for part in FUNCTIONS)
        yield f"DROP FUNCTION IF EXISTS {functions}"


def _creations(
    contract: Contract,
    existing: ExistingAnalytics,
    added: frozenset[str],
    views: tuple[View, ...],
    digest: str,
) -> Iterator[str]:
    yield from _keepers(contract, existing, added)
    if levels_of(contract):
        yield from _functions(contract)
    for view in views:
        yield f"CREATE VIEW {view.name} AS\n{view.select}"
        about = f"{view.about} {OURS}, version {digest}."
        yield f"COMMENT ON VIEW {view.name} IS {quote_text(about)}"
        for column, comment in view.comments:
            if comment:
                where = f"{view.name}.{quote_name(column)}"
                yield f"COMMENT ON COLUMN {where} IS {quote_text(comment)}"


def _functions(contract: Contract) -> Iterator[str]:
    yield from plan_functions(contract)
    names = [service_name(contract, part) for part in FUNCTIONS]
    yield f"REVOKE EXECUTE ON FUNCTION {', '.join(names)} FROM PUBLIC"
    yield plan_trigger(contract)


def _keepers(
    contract: Contract, existing: ExistingAnalytics, added: frozenset[str]
) -> Iterator[str]:
    """Tables of figures and marks. Where the kept figures may be out of date, a mark for
    everything is added."""
    wanted = [kept_name(contract, level) for level in levels_of(contract)]
    if wanted:
        wanted += [marks_name(contract), service_name(contract, "refreshed")]
    for name in existing.kept:
        if name not in wanted:
            yield f"DROP TABLE {name}"
    sound = bool(wanted)
    for level in levels_of(contract):
        statements, kept = _kept_table(contract, level, existing, added)
        yield from statements
        sound &= kept
    if wanted:
        statements, kept = _marks_table(contract, existing)
        yield from statements
        if not (sound and kept):
            yield f"INSERT INTO {marks_name(contract)} DEFAULT VALUES"


def _kept_table(
    contract: Contract, level: Level, existing: ExistingAnalytics, added: frozenset[str]
) -> tuple[list[str], bool]:
    """Statements, and whether what the table holds stays right."""
    name = kept_name(contract, level)
    key = _key(contract, level)
    found = dict(existing.kept.get(name, ()))
    figures = figures_of(contract)
    wanted = {**key, **{figure.name: figure.type for figure in figures}}
    shared = found.keys() & wanted.keys()
    if not found.keys() >= key.keys() or any(found[c] != wanted[c] for c in shared):
        lines = [f"{quote_name(column)} {kind} NOT NULL" for column, kind in key.items()]
        lines += [figure.definition for figure in figures]
        primary = ", ".join(quote_name(column) for column in key)
        create = f"CREATE TABLE {name} ({', '.join(lines)}, PRIMARY KEY ({primary}))"
        return [*([f"DROP TABLE {name}"] if found else []), create], False
    changes = [f"DROP COLUMN {quote_name(column)}" for column in found if column not in wanted]
    missing = [figure for figure in figures if figure.name not in found]
    changes += [f"ADD COLUMN {figure.definition}" for figure in missing]
    sound = all(figure.name.rpartition("_")[0] in added for figure in missing)
    return ([f"ALTER TABLE {name} {', '.join(changes)}"] if changes else []), sound


def _marks_table(contract: Contract, existing: ExistingAnalytics) -> tuple[list[str], bool]:
    name, levels = marks_name(contract), levels_of(contract)
    columns = {level.column: level.type for level in levels}
    columns |= {name: f"{kind}[]" for name, kind in _series(contract).items()}
    refreshed = service_name(contract, "refreshed")
    found = existing.kept.get(name)
    statements = []
    if refreshed not in existing.kept:
        statements = [
            f"CREATE TABLE {refreshed} (refreshed_at timestamptz, took interval)",
            f"INSERT INTO {refreshed} VALUES ('-infinity', '0')",
        ]
    if found is not None and dict(found) == columns:
        return statements, True
    listed = ", ".join(f"{quote_name(column)} {kind}" for column, kind in columns.items())
    return [
        *statements,
        *([f"DROP TABLE {name}"] if found is not None else []),
        # Comes and goes all the time: vacuum by number, since a share of nothing says nothing.
        f"CREATE TABLE {name} ({listed}) WITH (autovacuum_vacuum_scale_factor = 0, "
        "autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0, "
        "autovacuum_analyze_threshold = 1000)",
    ], False


def _key(contract: Contract, level: Level) -> dict[str, str]:
    return _series(contract) | {level.column: level.type}


def _series(contract: Contract) -> dict[str, str]:
    return {name: sql_type(contract.column(name)) for name in series_columns(contract)}
